-- ARGV: none, or for a completion: milliseconds to live, answer, and 1 if it is confirmed
local record = redis.call('GETRANGE', KEYS[1], 0, 72)
local found = state(record)
if found < 0 then return {found} end
local completed = ARGV[1] ~= nil
if found == 0 then
  if completed then return {3} end
  return {2}
end
if found == 2 then
  if not completed then return {3} end
  touch(ARGV[3])
  return {2}
end
local left = left(record)
if not left then return {-2} end
if left > 0 then return {3} end
if completed then
  -- The lost owner must not take this answer for its own.
  answer(record, string.rep('\0', 16), ARGV[1], ARGV[2])
else
  redis.call('DEL', KEYS[1])
end
wake(record)
return {1}
