"""Files of rows: their formats, their columns and what stands in a cell."""
