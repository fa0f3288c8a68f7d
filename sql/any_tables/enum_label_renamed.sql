-- A label that is listed in the attachment gets another name: a clear error, or it still works, never a wrong count.
\getenv top PG_ABS_SRCDIR
\set test enum_label_renamed
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
INSERT INTO training_sessions (id, member_id, status) VALUES (1, 1, 'scheduled'), (2, 1, 'completed'),
    (3, 1, 'cancelled');
ALTER TYPE session_status RENAME VALUE 'completed' TO 'done';
SELECT * FROM refusal('UPDATE training_sessions SET status = ''done'' WHERE id = 1');
INSERT INTO training_sessions (id, member_id) VALUES (4, 1);
DELETE FROM training_sessions WHERE id = 2;
SELECT outcome('INSERT INTO training_sessions (id, member_id, session_type) VALUES (5, 1, ''trial'')');
SELECT * FROM counters() WHERE id = '10';
ALTER TYPE session_status RENAME VALUE 'done' TO 'completed';
UPDATE training_sessions SET status = 'completed' WHERE id = 1;
INSERT INTO training_sessions (id, member_id) VALUES (6, 1);
SELECT * FROM counters() WHERE id = '10';

-- The same for types, and for the status that makes a pack active.
ALTER TYPE session_type RENAME VALUE 'makeup' TO 'catch-up';
INSERT INTO training_sessions (id, member_id, session_type) VALUES (7, 1, 'catch-up');
ALTER TYPE session_type RENAME VALUE 'catch-up' TO 'makeup';
ALTER TYPE subscription_status RENAME VALUE 'active' TO 'valid';
INSERT INTO training_sessions (id, member_id) VALUES (8, 1);
ALTER TYPE subscription_status RENAME VALUE 'valid' TO 'active';

-- Two labels change their names with each other: what a label says now is what counts.
DELETE FROM training_sessions;
ALTER TYPE session_status RENAME VALUE 'no_show' TO 'other';
ALTER TYPE session_status RENAME VALUE 'scheduled' TO 'no_show';
ALTER TYPE session_status RENAME VALUE 'other' TO 'scheduled';
INSERT INTO training_sessions (id, member_id, status) VALUES (9, 1, 'scheduled');
INSERT INTO training_sessions (id, member_id, status) VALUES (10, 1, 'no_show');
SELECT * FROM counters() WHERE id = '10';

-- A new label means nothing.
ALTER TYPE session_status ADD VALUE 'waiting';
INSERT INTO training_sessions (id, member_id, status) VALUES (11, 1, 'waiting');
UPDATE training_sessions SET status = 'scheduled' WHERE id = 11;
SELECT * FROM counters() WHERE id = '10';

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
