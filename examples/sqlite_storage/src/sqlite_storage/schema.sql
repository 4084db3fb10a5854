-- A key is stored as its UTF-8 bytes: SQLite then sorts and compares keys byte by byte, as the port requires.
CREATE TABLE IF NOT EXISTS object (
    key           BLOB PRIMARY KEY,
    version       INTEGER NOT NULL UNIQUE,
    size          INTEGER NOT NULL,
    modified_us   INTEGER NOT NULL,
    etag          TEXT NOT NULL,
    content_type  TEXT NOT NULL
) WITHOUT ROWID;

-- Bodies are stored in pieces, so that no complete body is ever in memory.
CREATE TABLE IF NOT EXISTS piece (
    version  INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    body     BLOB NOT NULL,
    PRIMARY KEY (version, number)
) WITHOUT ROWID;

-- The highest version number so far, including deleted versions: a number is never used twice.
CREATE TABLE IF NOT EXISTS newest (version INTEGER NOT NULL);
INSERT INTO newest SELECT 0 WHERE NOT EXISTS (SELECT * FROM newest);
