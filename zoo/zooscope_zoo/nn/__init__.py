"""Networks and blocks that methods share. Each file imports torch alone: it travels inside packages."""
