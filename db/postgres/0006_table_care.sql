-- Care of the tables: when and how the server cleans them up. Only settings: nobody is locked out, and it takes no time.
--
-- Run inside one transaction, like 0001.

-- Where less than 2 % of a table's pages have dead rows, a vacuum leaves the indexes as they are. With two million items
-- waiting that is after each few thousand claims, and what it leaves is where every claim begins: a claim then reads 44
-- pages of the index in place of 4 (measured on PostgreSQL 15), and the server's count of dead rows says that there are
-- none, so workers do not know that they should begin further on.
ALTER TABLE queue_item SET (vacuum_index_cleanup = on);

-- Dead letters may be millions and go in bulk: replayed, discarded, or old (store.dead_letter_days). By the defaults a
-- vacuum comes when a fifth of the table is dead, and plans go by statistics of a table that is a tenth smaller.
ALTER TABLE dead_letter SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 5000
);
