"""What the monitor shows, without a toolkit: rows, columns, trends, thresholds, filters, sentences. All is pure."""
