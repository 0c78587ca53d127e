"""Reports: results -> leaderboards as Markdown, CSV, JSON and one HTML page a data set."""
