-- What is measured.
CREATE EXTENSION session_consistency;
SELECT FROM session_consistency.attach('training_sessions', 'member_subscriptions');
