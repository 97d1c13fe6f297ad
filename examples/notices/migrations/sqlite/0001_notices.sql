-- The application's tables. SQLite. Times are epoch seconds, so that both databases mean the same by them.

CREATE TABLE profile (
    id        integer PRIMARY KEY,
    site      varchar(63) NOT NULL,
    nickname  varchar(64) NOT NULL,
    full_name text NOT NULL DEFAULT '',
    url       text NOT NULL,
    is_local  boolean NOT NULL DEFAULT true,
    UNIQUE (site, url)
);
CREATE UNIQUE INDEX profile_local ON profile (site, nickname) WHERE is_local;

-- Profiles of people who have an account here.
CREATE TABLE member (
    profile_id     bigint PRIMARY KEY REFERENCES profile (id) ON DELETE CASCADE,
    site           varchar(63) NOT NULL,
    jid            text,
    jabber_notify  boolean NOT NULL DEFAULT true,
    jabber_replies boolean NOT NULL DEFAULT true,
    UNIQUE (site, jid)
);

CREATE TABLE subscription (
    subscriber bigint NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    subscribed bigint NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    jabber     boolean NOT NULL DEFAULT true,
    PRIMARY KEY (subscriber, subscribed)
);
CREATE INDEX subscription_subscribed ON subscription (subscribed);

CREATE TABLE user_group (
    id       integer PRIMARY KEY,
    site     varchar(63) NOT NULL,
    nickname varchar(64) NOT NULL,
    UNIQUE (site, nickname)
);
CREATE TABLE group_member (
    group_id   bigint NOT NULL REFERENCES user_group (id) ON DELETE CASCADE,
    profile_id bigint NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, profile_id)
);
CREATE INDEX group_member_profile ON group_member (profile_id);

CREATE TABLE notice (
    id         integer PRIMARY KEY,
    site       varchar(63) NOT NULL,
    profile_id bigint NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    uri        text,  -- of a notice from elsewhere; null: written here
    url        text,  -- where it can be read elsewhere
    content    text NOT NULL,
    is_public  boolean NOT NULL DEFAULT true,
    source     varchar(32) NOT NULL,
    created    bigint NOT NULL,
    UNIQUE (profile_id, uri)
);
CREATE INDEX notice_profile ON notice (profile_id, id);

-- Whom a notice names, and which groups.
CREATE TABLE addressee (
    notice_id  bigint NOT NULL REFERENCES notice (id) ON DELETE CASCADE,
    profile_id bigint NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    PRIMARY KEY (notice_id, profile_id)
);
CREATE TABLE group_notice (
    notice_id bigint NOT NULL REFERENCES notice (id) ON DELETE CASCADE,
    group_id  bigint NOT NULL REFERENCES user_group (id) ON DELETE CASCADE,
    PRIMARY KEY (notice_id, group_id)
);

-- Who gets a notice, and why: reply, subscription or group.
CREATE TABLE inbox (
    notice_id  bigint NOT NULL REFERENCES notice (id) ON DELETE CASCADE,
    profile_id bigint NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    reason     varchar(12) NOT NULL,
    PRIMARY KEY (notice_id, profile_id, reason)
);

-- To whom a notice was sent. The key is what makes a second delivery do nothing.
CREATE TABLE delivery (
    notice_id bigint NOT NULL REFERENCES notice (id) ON DELETE CASCADE,
    jid       text NOT NULL,
    PRIMARY KEY (notice_id, jid)
);

-- Addresses that wait for a word from whoever reads there.
CREATE TABLE confirmation (
    profile_id bigint PRIMARY KEY REFERENCES profile (id) ON DELETE CASCADE,
    site       varchar(63) NOT NULL,
    code       varchar(64) NOT NULL UNIQUE,
    jid        text NOT NULL,
    created    bigint NOT NULL,
    is_sent    boolean NOT NULL DEFAULT false
);

-- Strangers who were told that they are; one answer a day keeps two programs from talking to each other for ever.
CREATE TABLE stranger (
    site varchar(63) NOT NULL,
    jid  text NOT NULL,
    told bigint NOT NULL,
    PRIMARY KEY (site, jid)
);
