-- ARGV: channel, and for a completion: milliseconds to live, answer, whether it is confirmed
local record = redis.call('GETRANGE', KEYS[1], 0, 72)
local found = state(record)
if found < 0 then return {found} end
local completed = ARGV[2] ~= nil
if found == 0 then
  if completed then return {3} end
  return {2}
end
if found == 2 then
  if not completed then return {3} end
  touch(ARGV[4])
  return {2}
end
if lease_end(record) > now() then return {3} end
if completed then
  -- The lost owner must not take this answer for its own.
  answer(record, string.rep('\0', 16), ARGV[2], ARGV[3])
else
  redis.call('DEL', KEYS[1])
end
wake(record, ARGV[1])
return {1}
