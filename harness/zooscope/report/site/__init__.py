"""The site: benchmarks, models and images as static pages that need no server and nothing from elsewhere."""
