"""All of Currant's SQL, and only here: `sql/` one named statement each, `queries` one typed function per statement."""
