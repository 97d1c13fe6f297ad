-- Turns: the sites of a queue take turns when more waits than one claim takes.
--
-- For that, claims need an index of what is ready by site:
--     CREATE INDEX queue_item_turn ON queue_item (queue, priority, site, available_at, id) WHERE state = 'ready';
-- It costs a tenth of what handling an item costs here, and a file with the one site 'default' has no use for it. So the
-- first claim makes it that finds this table to have a row, which says that there are, or were, items of other sites.

CREATE TABLE snqd_turns (only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1)) STRICT;
INSERT INTO snqd_turns (only) SELECT 1 WHERE EXISTS (SELECT 1 FROM queue_item WHERE site <> 'default');

CREATE TRIGGER queue_item_sites AFTER INSERT ON queue_item
WHEN NEW.site <> 'default' AND NOT EXISTS (SELECT 1 FROM snqd_turns)
BEGIN
    INSERT INTO snqd_turns (only) VALUES (1);
END;

INSERT INTO snqd_migration (name) VALUES ('0004_turns');
