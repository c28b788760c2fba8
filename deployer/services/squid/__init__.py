"""Squid: its phrasebook, its access log, its syntax. Imports no other server."""
