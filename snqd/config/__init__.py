"""Configuration: what can be set (`schema`), and where each value came from (`load`)."""
