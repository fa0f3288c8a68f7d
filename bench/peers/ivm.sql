-- Peer (f): pg_ivm keeps the counts; it judges nothing.
CREATE EXTENSION pg_ivm;
SELECT pgivm.create_immv('session_counts',
    $$SELECT subscription_id, count(*) AS used FROM training_sessions
      WHERE session_type IN ('member', 'makeup', 'contractual')
            AND status IN ('scheduled', 'in_progress', 'completed')
      GROUP BY subscription_id$$);
