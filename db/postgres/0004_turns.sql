-- Turns: the sites of a queue take turns when more waits than one claim takes.
--
-- Run inside one transaction. Writes to queue_item wait while the index is built: some seconds for a million items.

-- What waits of each site, in the order of handling. Claims jump in it from one site to the next, so what they cost
-- depends neither on how many items wait nor on how many sites do.
CREATE INDEX queue_item_turn ON queue_item (queue, priority, site, available_at, id) WHERE state = 'ready';
