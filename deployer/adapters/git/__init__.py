"""The object database: releases of a revision, the ledger, signatures.

Of the other wings: reading (YAML), local (children, runs), ssh (known_hosts).
"""
