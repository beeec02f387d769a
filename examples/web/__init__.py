"""A page that classifies drawings in the browser."""
