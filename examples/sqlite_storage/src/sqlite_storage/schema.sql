-- A key is kept as its UTF-8 bytes: SQLite then orders and compares keys byte by byte, as the port asks.
CREATE TABLE IF NOT EXISTS object (
    key           BLOB PRIMARY KEY,
    version       INTEGER NOT NULL UNIQUE,
    size          INTEGER NOT NULL,
    modified_us   INTEGER NOT NULL,
    etag          TEXT NOT NULL,
    content_type  TEXT NOT NULL
) WITHOUT ROWID;

-- Bodies lie in pieces, so that neither side ever holds one whole.
CREATE TABLE IF NOT EXISTS piece (
    version  INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    body     BLOB NOT NULL,
    PRIMARY KEY (version, number)
) WITHOUT ROWID;

-- The newest version of all, deleted ones too: a number that was used is never given again.
CREATE TABLE IF NOT EXISTS newest (version INTEGER NOT NULL);
INSERT INTO newest SELECT 0 WHERE NOT EXISTS (SELECT * FROM newest);
