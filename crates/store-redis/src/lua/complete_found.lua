-- What is left of complete.lua in every other case.
local found = state(record)
if found < 0 then return {found} end
if found == 0 or string.sub(record, 38, 53) ~= ARGV[1] then return {3} end
if found == 2 then
  touch(ARGV[4])
  return {2}
end
answer(record, ARGV[1], ARGV[2], ARGV[3])
wake(record)
return {1}
