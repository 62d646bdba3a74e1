-- A journal as it was before it had a version: its schema to the letter, and rows of every table.
CREATE TABLE IF NOT EXISTS step (
    id INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    service TEXT NOT NULL,
    direction TEXT NOT NULL,
    number INTEGER NOT NULL,
    why TEXT NOT NULL,
    replica TEXT,
    phase TEXT NOT NULL,
    phases TEXT NOT NULL,
    started REAL NOT NULL,
    ended REAL,
    outcome TEXT,
    detail TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS step_of_service ON step (project, service, ended);
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    project TEXT NOT NULL,
    service TEXT NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    text TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS hold (
    project TEXT NOT NULL,
    service TEXT NOT NULL,
    pause TEXT NOT NULL DEFAULT 'none',
    wanted INTEGER,
    PRIMARY KEY (project, service)
);
CREATE TABLE IF NOT EXISTS standing (
    project TEXT NOT NULL,
    service TEXT NOT NULL,
    replicas TEXT NOT NULL,
    at REAL NOT NULL,
    former INTEGER,
    former_at REAL NOT NULL,
    PRIMARY KEY (project, service)
);

INSERT INTO step VALUES (1, 'shop', 'web', 'up', 2, 'alert_up', 'c0ffee', 'ready', '{"create": 10.0, "start": 10.5, "ready": 11.25}', 10.0, 12.5, 'done', '');
INSERT INTO step VALUES (2, 'shop', 'web', 'up', 3, 'alert_up', 'beef', 'ready', '{"create": 20.0, "start": 20.5, "ready": 21.0}', 20.0, 81.0, 'failed', 'not_ready: it sleeps');
INSERT INTO step VALUES (3, 'shop', 'api', 'down', 4, 'alert_down', 'dead', 'drain', '{"drain": 30.0}', 30.0, 31.0, 'undone', 'model_gone: it is gone');
INSERT INTO step VALUES (4, 'shop', 'web', 'up', 3, 'alert_up', NULL, 'create', '{"create": 90.0}', 90.0, NULL, NULL, '');
INSERT INTO event VALUES (1, 12.5, 'shop', 'web', 'step', 'done', 'up: replica 2 done', '{"why": "alert_up", "phases": {"create": 0.5}, "number": 2}');
INSERT INTO event VALUES (2, 40.25, '', '', 'started', 'started', 'the scaler started', '{}');
INSERT INTO hold VALUES ('shop', 'web', 'down', NULL);
INSERT INTO hold VALUES ('shop', 'api', 'none', 4);
INSERT INTO standing VALUES ('shop', 'web', '["beef", "c0ffee"]', 82.0, 5, 70.5);
INSERT INTO standing VALUES ('shop', 'api', '[]', 83.0, NULL, 0.0);
