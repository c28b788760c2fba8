"""Fleets on loopback, for `deploy demo`, tests and measurements: real sshd, real servers, a shop with a database.

Imports model/ and reading (where the examples lie). It satisfies no port: the product meets it as it meets any fleet.
"""
