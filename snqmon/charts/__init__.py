"""Charts as lines of text, without a toolkit: scales, a canvas of dots, and what is written around it."""
