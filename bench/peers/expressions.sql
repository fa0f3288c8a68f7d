-- The same attachment with a condition that every session fulfils, and a constant cost.
CREATE EXTENSION session_consistency;
SELECT FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    counts_when => 'starts_at IS NOT NULL', cost => '1');
