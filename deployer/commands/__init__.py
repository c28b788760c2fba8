"""Floor 6: one file a command, all that `deploy --help` lists. Each one is options in, one call, one page out."""
