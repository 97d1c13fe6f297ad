"""What screens are made of. Each widget is shown what to draw once a tick, and draws only the lines that differ."""
