"""What every benchmark needs: the machine's facts, a private PostgreSQL, the peers' virtualenvs, figures and tables.

Nothing is imported here: the peers' own interpreters import `bench.lab.record`, and they have only the standard
library in common with us.
"""
