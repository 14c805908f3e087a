"""Everything under one supervisor: servers, demo data, and every process of the project."""
