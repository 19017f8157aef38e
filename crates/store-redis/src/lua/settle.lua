-- What scripts that settle share. {1} applied, {2} already applied, {3} lost.
local function wake(record)
  if string.byte(record, 4) ~= 1 then return end
  -- The prefix of all keys, without the digits of this one.
  local channel = string.sub(KEYS[1], 1, -67) .. 'settled'
  -- Refused by an access list, it must not undo what was decided: those who wait poll as well.
  redis.pcall('PUBLISH', channel, KEYS[1])
end

local function answer(record, token, ttl, response)
  local identity = string.sub(record, 5, 37) .. token .. string.sub(record, 54, 57)
  local value = '\1\1\0\0' .. identity .. string.rep('\0', 16) .. response
  redis.call('SET', KEYS[1], value, 'PX', ttl)
end

-- A write that changes nothing: what WAIT and WAITAOF then wait for is later than the answer.
local function touch(confirm)
  if confirm then redis.call('SETRANGE', KEYS[1], 0, '\1') end
end

