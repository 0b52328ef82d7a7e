"""A small shop, as someone who uses Currant would write it. Its tests show `currant_inline` and `currant_db`."""
