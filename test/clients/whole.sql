-- Returns a row for whatever is not as it must be: counters by a count that uses nothing of the extension, and what
-- attach() has made.
SELECT 'pass ' || p.id || ' has used ' || p.credits_used || ', counted ' || count(a.id)
FROM passes p LEFT JOIN appointments a ON a.pass_id = p.id AND a.state IN ('booked', 'attended')
GROUP BY p.id HAVING p.credits_used <> count(a.id) OR p.credits_used > p.credits
UNION ALL
SELECT 'appointment ' || a.id || ' holds no credit of its customer'
FROM appointments a LEFT JOIN passes p ON p.id = a.pass_id AND p.customer_id = a.customer_id
WHERE a.state IN ('booked', 'attended') AND p.id IS NULL
UNION ALL
SELECT message FROM session_consistency.check_counts()
UNION ALL
SELECT 'not enforced: ' || gaps::text FROM session_consistency.attachments WHERE NOT enforced
UNION ALL
SELECT 'attached ' || count(*) || ' times' FROM session_consistency.attachments HAVING count(*) <> 1;
