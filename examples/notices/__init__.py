"""Notices: short messages that people follow by XMPP. An application of snqd, and an example of how to write one.

`docs/notices.md` tells how it is set up. What it does in the background are the handlers of `notices.handlers`; a web
application or a script calls `posting.post`, `addresses.save` and the functions of `people`, in its own transaction.

All tables are in the store's database, so that what a handler changes, what it enqueues and the end of its item are one
transaction: a notice that is distributed twice is still delivered once.
"""
