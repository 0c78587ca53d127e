"""Reports: results -> leaderboards as Markdown, CSV, JSON and a static site, and figures."""
