"""Feeds: follow what people write elsewhere (Atom, RSS), as notices of theirs. A second example of a plugin.

What is due is queued by a service (`feeds.service`), fetched by any worker (`feedpoll`, which waits for the network and
touches no table), kept by a short transaction (`feedfound`), and posted as a notice, entry by entry (`feedentry`).
`docs/notices.md` tells how it is set up.
"""
