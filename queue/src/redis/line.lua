#!lua name=firstcome_@VERSION@
-- The line, inside the server. Each function is one step that nobody sees half of; what a step writes first is harmless
-- without what it writes last, because an error midway takes nothing back. The layout of the keys is known here only:
--   q:catalogue        HASH    the events
--   q:{event}:m        HASH    the standing of the line
--   q:{event}:a:{hex}  HASHes  rest of app_key -> number (4 bytes), mark (W, M, X), reqhash (8), id of the wish (8, if any)
--   q:{event}:w:{n}    STRING  4096 app_keys in number order; 16 zero bytes are a number that nobody has
--   q:{event}:l        ZSET    waiting numbers at or below `through`
--   q:{event}:c        HASH    app_key -> sealed contact
--   q:{event}:p        HASH    app_keys of receipts shown to a line that does not know them, until they are restored
--   q:{event}:i        STREAM  the inbox; the first half of an id is the position
--   q:{event}:o        HASH    number -> outcome, or outcome:order number
-- Every function takes the keys `q:catalogue` and `q:{event}:m` and the arguments nonce, now, ...; every answer starts with
-- the nonce. Without keys it answers PROBE, which shows that the caller may call it.

-- A test's copy of this text says true and takes its time from the caller. This one knows the server's time only.
local HAND_CLOCK = false

local BLOCK = 4096
-- Nothing but `redis.register_function` may be called while this text is loaded.
local NO_SECRET = '\0\0\0\0\0\0\0\0'
local EMPTY = NO_SECRET .. NO_SECRET
local SCAN_MAX = 4 * BLOCK
local MARKS = { W = 0, M = 1, X = 2 }
local NUMBERS = {
  'epoch', 'fence', 'seq', 'limit', 'through', 'gapped', 'inbox', 'closed_at', 'closed_seq', 'closed_inbox', 'settled',
  'opens_at', 'closes_at', 'max', 'bits', 'rev', 'figures_fence', 'figures_round', 'intake',
}
local TEXTS = { 'ending', 'gaps' }
local VIEW = {
  'epoch', 'seq', 'limit', 'through', 'gaps', 'closed_at', 'closed_seq', 'closed_inbox', 'ending', 'opens_at', 'closes_at',
  'settings', 'rev', 'figures',
}

-- They die with the server's process and with a reload, and are not replicated: a line that came back is not used before
-- its leader has looked at it.
local armed = {}
-- Lines that were seen to know less than they had acknowledged, until they are armed again.
local went_back = {}
-- The highest number of each line that was acknowledged and then found to be nobody's: reason to arm again once, not for ever.
local missed = {}
local catalogue_armed = false

-- Redis writes numbers above 10^14 in exponents otherwise.
local function whole(n)
  return string.format('%.0f', n)
end

local function time(args)
  if args[2] == '' then
    local now = redis.call('TIME')
    return now[1] * 1000 + math.floor(now[2] / 1000)
  end
  if not HAND_CLOCK then error('the line takes its time from the server') end
  return tonumber(args[2])
end

-- The standing of the line, and nothing but `base` and `now` if it was never made.
local function load_line(keys, args)
  local base = string.sub(keys[2], 1, -2)
  local line = { base = base, now = time(args) }
  local numbers = redis.call('HMGET', keys[2], unpack(NUMBERS))
  if not numbers[1] then return line end
  for i, field in ipairs(NUMBERS) do
    line[field] = tonumber(numbers[i])
  end
  local texts = redis.call('HMGET', keys[2], unpack(TEXTS))
  for i, field in ipairs(TEXTS) do
    line[field] = texts[i] or nil
  end
  line.made = true
  line.armed = armed[base] == line.epoch
  return line
end

local function save(line, changes)
  local words = {}
  for field, value in pairs(changes) do
    line[field] = value
    words[#words + 1] = field
    words[#words + 1] = type(value) == 'number' and whole(value) or value
  end
  if #words > 0 then redis.call('HSET', line.base .. 'm', unpack(words)) end
end

local function close(line, at)
  if not line.closed_at then
    save(line, { closed_at = at, closed_seq = line.seq, closed_inbox = line.inbox })
  end
end

local function close_if_due(line)
  if line.made and line.armed and line.now >= line.closes_at then close(line, line.closes_at) end
end

-- Why nobody may know this line: nil if they may.
local function unlisted(keys, args, line)
  local event = string.sub(line.base, 4, -3)
  if redis.call('HEXISTS', keys[1], event) == 0 then
    return { args[1], catalogue_armed and 'UNKNOWN' or 'UNARMED' }
  end
  if not line.made then return { args[1], 'UNARMED' } end
end

-- For what applicants write: the line, or why not.
local function open(keys, args)
  local line = load_line(keys, args)
  close_if_due(line)
  local refusal = unlisted(keys, args, line)
  if not refusal and not line.armed then refusal = { args[1], 'UNARMED' } end
  return line, refusal
end

-- For what everybody reads.
local function listed(keys, args)
  local line = load_line(keys, args)
  return line, unlisted(keys, args, line)
end

-- For what the leader reads.
local function led(keys, args)
  local line = load_line(keys, args)
  if not line.made then return line, { args[1], 'UNKNOWN' } end
  if not line.armed then return line, { args[1], 'UNARMED' } end
  return line
end

-- For what the leader writes; args[3] is its fence.
local function fenced(keys, args, needs_arming)
  local line, fence = load_line(keys, args), tonumber(args[3])
  close_if_due(line)
  if not line.made then return line, { args[1], 'UNKNOWN' } end
  if fence < line.fence then return line, { args[1], 'FENCED', line.fence } end
  if needs_arming and not line.armed then return line, { args[1], 'UNARMED' } end
  if fence > line.fence then save(line, { fence = fence }) end
  return line
end

local function bucket(line, key)
  local a, b, c = string.byte(key, 1, 3)
  local prefix = math.floor((a * 65536 + b * 256 + c) / 2 ^ (24 - line.bits))
  return line.base .. 'a:' .. string.format('%x', prefix), string.sub(key, math.floor(line.bits / 8) + 1)
end

local function number_in(packed)
  local a, b, c, d = string.byte(packed, 1, 4)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

local function mark_in(packed)
  return string.sub(packed, 5, 5)
end

local function pack(number, mark, secret)
  return struct.pack('>I4', number) .. mark .. secret
end

-- What is packed of the application, with where it lies.
local function find(line, key)
  local name, field = bucket(line, key)
  return redis.call('HGET', name, field), name, field
end

local function remark(packed, mark)
  return string.sub(packed, 1, 4) .. mark .. string.sub(packed, 6)
end

local function slot(line, number)
  local block = math.floor((number - 1) / BLOCK)
  return line.base .. 'w:' .. whole(block), (number - 1 - block * BLOCK) * 16
end

-- Writes app_keys at consecutive numbers. A block is made in its full size at once: grown, it would take up to twice that.
local function order(line, number, keys)
  local from, count = 1, #keys
  while from <= count do
    local name, offset = slot(line, number)
    local to = math.min(count, from + BLOCK - 1 - offset / 16)
    if redis.call('STRLEN', name) == 0 then redis.call('SETRANGE', name, BLOCK * 16 - 1, '\0') end
    redis.call('SETRANGE', name, offset, table.concat(keys, '', from, to))
    number, from = number + to - from + 1, to + 1
  end
end

-- Calls `visit(number, key)` for each slot in use, until one returns true.
local function each_slot(line, from, to, visit)
  while from <= to do
    local name, offset = slot(line, from)
    local last = math.min(to, from + BLOCK - 1 - offset / 16)
    local keys = redis.call('GETRANGE', name, offset, offset + (last - from + 1) * 16 - 1)
    for i = 1, #keys, 16 do
      local key = string.sub(keys, i, i + 15)
      if key ~= EMPTY and visit(from + (i - 1) / 16, key) then return end
    end
    from = last + 1
  end
end

-- Who has the number: a slot whose application is under another number, or under none, is nobody's.
local function holder(line, number)
  local name, offset = slot(line, number)
  local key = redis.call('GETRANGE', name, offset, offset + 15)
  if key == '' or key == EMPTY then return nil end
  local packed = find(line, key)
  if packed and number_in(packed) == number then return key end
end

local function outcome(line, number, mark, stored)
  if stored then return stored end
  if mark == 'W' and line.ending == 'settled' and line.settled and number <= line.settled then return 'sold_out' end
  return ''
end

local function shown(line, number, mark)
  return outcome(line, number, mark, redis.call('HGET', line.base .. 'o', whole(number)))
end

-- ---- applicants write

local NEW, AGAIN, REGRESSED, CLOSED, NOT_OPEN, ON_HOLD, FULL, AT_LIMIT = 0, 1, 2, 3, 4, 5, 6, 7

-- Whether the line knows less than it acknowledged: the caller was told a number above its last one, or one that is nobody's
-- now, since a leader was faster and skipped it.
local function forgot(line, highest)
  return highest > line.seq or (highest > (missed[line.base] or 0) and not holder(line, highest))
end

local function disarm(line, highest)
  armed[line.base], went_back[line.base] = nil, true
  missed[line.base] = math.max(missed[line.base] or 0, highest)
end

local function refusal_of(line, seq, behind)
  if behind then return REGRESSED end
  if line.closed_at then return CLOSED end
  if line.now < line.opens_at then return NOT_OPEN end
  if line.intake == 0 then return ON_HOLD end
  if seq - line.gapped >= line.max then return FULL end
  if seq >= line.limit then return AT_LIMIT end
end

-- args: highest number that the caller was told, then app_key, reqhash, contact of each. Answers in one text, 6 bytes each:
-- code, number, flags (1 proven, and twice the mark).
local function apply(keys, args)
  local line, refusal = open(keys, args)
  if refusal then return refusal end
  local highest = tonumber(args[3])
  local behind = forgot(line, highest)
  local seq, known, fresh, commits, contacts, answers, again = line.seq, {}, {}, {}, {}, {}, false
  for i = 4, #args, 3 do
    local key, secret, contact = args[i], args[i + 1], args[i + 2]
    local name, field = bucket(line, key)
    local packed = known[key] or redis.call('HGET', name, field)
    local code, number, flags = AGAIN, 0, 0
    if packed then
      local proven = secret ~= NO_SECRET and string.sub(packed, 6, 13) == secret
      number, flags, again = number_in(packed), MARKS[mark_in(packed)] * 2 + (proven and 1 or 0), true
    else
      code = refusal_of(line, seq, behind)
      if not code then
        seq = seq + 1
        code, number, flags = NEW, seq, secret ~= NO_SECRET and 1 or 0
        packed = pack(seq, 'W', secret)
        known[key], fresh[#fresh + 1] = packed, key
        commits[#commits + 1] = { name, field, packed }
        if contact ~= '' then
          contacts[#contacts + 1] = key
          contacts[#contacts + 1] = contact
        end
      elseif code == REGRESSED then
        disarm(line, highest)
      end
    end
    answers[#answers + 1] = struct.pack('>BI4B', code, number, flags)
  end
  if #fresh > 0 then
    order(line, line.seq + 1, fresh)
    if #contacts > 0 then redis.call('HSET', line.base .. 'c', unpack(contacts)) end
    save(line, { seq = seq })
    for _, commit in ipairs(commits) do
      redis.call('HSET', commit[1], commit[2], commit[3])
    end
  end
  -- Who finds what another connection wrote must wait for its durability too, and so has to write something.
  if again then redis.call('HINCRBY', keys[2], 'barrier', 1) end
  return { args[1], 'OK', line.epoch, line.opens_at, line.closed_at or 0, table.concat(answers) }
end

-- A wish that the steward has not acknowledged yet.
local function waits_in_inbox(line, packed)
  if #packed < 21 then return false end
  local id = whole(struct.unpack('>d', string.sub(packed, 14, 21)))
  return #redis.call('XRANGE', line.base .. 'i', id, id) > 0
end

local function write_down(line, key, number, kind)
  -- An epoch's ids lie above all ids of earlier ones, also of those that were lost.
  local id = math.max(line.inbox, line.epoch * 2147483648) + 1
  save(line, { inbox = id })
  redis.call('XADD', line.base .. 'i', whole(id) .. '-0', 'n', whole(number), 'k', key, 't', kind, 'a', whole(line.now))
  return struct.pack('>d', id)
end

-- Who holds a receipt and is not known is named to the leader, once, unless the number is another's or was never given.
local function present(line, key, number)
  if line.ending == 'settled' or number > line.seq or holder(line, number) then return end
  if redis.call('HSET', line.base .. 'p', key, whole(number)) == 1 then write_down(line, key, number, 'present') end
end

-- args: app_key, kind, number on the receipt that is shown.
local function withdraw(keys, args)
  local line, refusal = open(keys, args)
  if refusal then return refusal end
  local key, kind = args[3], args[4]
  local packed, name, field = find(line, key)
  if not packed then
    if kind == 'present' then present(line, key, tonumber(args[5])) end
    return { args[1], 'OK' }
  end
  local number, mark = number_in(packed), mark_in(packed)
  -- The key under another number is not the application of that receipt.
  if kind ~= 'present' and number ~= tonumber(args[5]) then return { args[1], 'OK' } end
  local told = shown(line, number, mark)
  if kind ~= 'present' and line.ending ~= 'settled' and mark ~= 'X' then
    local after = packed
    if mark == 'W' and number > line.through then after, mark = remark(packed, 'X'), 'X' end
    local open_end = told == '' or string.sub(told, 1, 7) == 'ordered'
    if open_end and not waits_in_inbox(line, packed) then
      after = string.sub(after, 1, 13) .. write_down(line, key, number, kind)
    end
    if after ~= packed then redis.call('HSET', name, field, after) end
    if mark == 'X' then redis.call('HDEL', line.base .. 'c', key) end
  end
  return { args[1], 'OK', number, MARKS[mark], told }
end

-- ---- the leader writes

-- args: fence, epoch, limit, rev, settings, opens_at, closes_at, intake, max, bits.
local function arm(keys, args)
  local line = load_line(keys, args)
  close_if_due(line)
  local fence, epoch = tonumber(args[3]), tonumber(args[4])
  local changes, lost = {}, went_back[line.base]
  if not line.made then
    lost = tonumber(args[5]) > 0
    line.seq, line.limit, line.gapped, line.gaps = 0, 0, 0, nil
    changes = {
      through = 0, inbox = 0, rev = args[6], settings = args[7], opens_at = args[8], closes_at = tonumber(args[9]),
      intake = args[10], max = args[11], bits = args[12], figures = '', figures_fence = 0, figures_round = 0, barrier = 0,
    }
  elseif fence < line.fence then
    return { args[1], 'FENCED', line.fence }
  elseif epoch <= line.epoch then
    return { args[1], 'EPOCH', line.epoch }
  end
  local limit = math.max(line.limit, tonumber(args[5]))
  local skipped = math.max(0, limit - line.seq)
  if skipped > 0 then
    local rest, last_from, last_to = string.match(line.gaps or '', '^(.-),?(%d+)%-(%d+)$')
    local from = line.seq + 1
    if last_to and tonumber(last_to) + 1 >= from then
      from = tonumber(last_from)
    else
      rest = line.gaps or ''
    end
    changes.gaps = (rest == '' and '' or rest .. ',') .. whole(from) .. '-' .. whole(limit)
  end
  changes.gapped, changes.seq = line.gapped + skipped, line.seq + skipped
  -- Restored numbers may lie above every limit.
  changes.limit = changes.seq
  changes.epoch, changes.fence = epoch, fence
  save(line, changes)
  line.made, line.armed = true, true
  close_if_due(line)
  armed[line.base], went_back[line.base] = epoch, nil
  return { args[1], 'OK', line.seq, skipped, lost and 1 or 0 }
end

local function take_settings(line, args, changes)
  local opens_at, closes_at = tonumber(args[6]), tonumber(args[7])
  if line.now >= line.opens_at then opens_at = line.opens_at end
  if line.closed_at or line.now >= line.closes_at then closes_at = line.closes_at end
  changes.rev, changes.settings = tonumber(args[4]), args[5]
  changes.opens_at, changes.closes_at = opens_at, closes_at
  changes.intake, changes.max = tonumber(args[8]), tonumber(args[9])
end

-- args: fence, rev, settings, opens_at, closes_at, intake, max, state, limit, round, figures, settled_seq, then number and
-- outcome of each.
local function project(keys, args)
  local line, refusal = fenced(keys, args, false)
  if refusal then return refusal end
  local changes = { limit = math.max(line.limit, tonumber(args[11])) }
  if tonumber(args[4]) > line.rev then take_settings(line, args, changes) end
  local fence, round = tonumber(args[3]), tonumber(args[12])
  if fence > line.figures_fence or (fence == line.figures_fence and round >= line.figures_round) then
    changes.figures, changes.figures_fence, changes.figures_round = args[13], fence, round
  end
  local ending = line.ending
  if ending == 'settled' or args[10] == 'settled' then
    ending = 'settled'
    if not line.settled then changes.settled = tonumber(args[14]) end
  elseif args[10] == 'settling' then
    ending = 'settling'
  end
  changes.ending = ending
  save(line, changes)
  if ending then close(line, math.min(line.now, line.closes_at)) end
  local name = line.base .. 'o'
  for i = 15, #args, 2 do
    local before = redis.call('HGET', name, args[i])
    local once_more = before and string.sub(before, 1, 7) == 'ordered' and string.sub(args[i + 1], 1, 9) == 'cancelled'
    if not before or once_more then redis.call('HSET', name, args[i], args[i + 1]) end
  end
  return { args[1], 'OK' }
end

local function move(line, key)
  local packed, name, field = find(line, key)
  if packed and mark_in(packed) == 'W' then
    redis.call('HSET', name, field, remark(packed, 'M'))
    packed = remark(packed, 'M')
  end
  if packed and mark_in(packed) == 'M' then
    redis.call('HDEL', line.base .. 'c', key)
    redis.call('ZREM', line.base .. 'l', whole(number_in(packed)))
  end
end

-- args: fence, through, app_keys.
local function moved(keys, args)
  local line, refusal = fenced(keys, args, true)
  if refusal then return refusal end
  local named = {}
  for i = 5, #args do
    named[args[i]] = true
    move(line, args[i])
  end
  local through = math.min(tonumber(args[4]), line.seq)
  -- Who waits and was not named is passed by, and must be found again.
  each_slot(line, line.through + 1, through, function(number, key)
    if not named[key] then
      local packed = find(line, key)
      if packed and number_in(packed) == number and mark_in(packed) == 'W' then
        redis.call('ZADD', line.base .. 'l', number, whole(number))
      end
    end
  end)
  if through > line.through then save(line, { through = through }) end
  return { args[1], 'OK' }
end

-- args: fence, through.
local function acknowledge(keys, args)
  local line, refusal = fenced(keys, args, true)
  if refusal then return refusal end
  redis.call('XTRIM', line.base .. 'i', 'MINID', whole(tonumber(args[4]) + 1) .. '-0')
  return { args[1], 'OK' }
end

-- false if the line has the key under another number or the number under another key.
local function restore_one(line, number, key, secret, mark, contact)
  redis.call('HDEL', line.base .. 'p', key)
  local packed, name, field = find(line, key)
  if packed and number_in(packed) ~= number then return false end
  if not packed and holder(line, number) then return false end
  -- Before the application itself, so that no number above `seq` is ever found in use.
  if number > line.seq then save(line, { seq = number }) end
  if line.closed_seq and number > line.closed_seq then save(line, { closed_seq = number }) end
  if packed then
    if mark == 'M' and mark_in(packed) == 'W' then move(line, key) end
    return true
  end
  order(line, number, { key })
  if mark == 'W' then
    if contact ~= '' then redis.call('HSET', line.base .. 'c', key, contact) end
    if number <= line.through then redis.call('ZADD', line.base .. 'l', number, whole(number)) end
  end
  redis.call('HSET', name, field, pack(number, mark, secret))
  return true
end

-- args: fence, then number, app_key, reqhash, mark, contact of each.
local function restore(keys, args)
  local line, refusal = fenced(keys, args, false)
  if refusal then return refusal end
  local conflicts = 0
  for i = 4, #args, 5 do
    if not restore_one(line, tonumber(args[i]), args[i + 1], args[i + 2], args[i + 3], args[i + 4]) then
      conflicts = conflicts + 1
    end
  end
  return { args[1], 'OK', conflicts }
end

-- args: fence.
local function settle(keys, args)
  local line, refusal = fenced(keys, args, true)
  if refusal then return refusal end
  close(line, math.min(line.now, line.closes_at))
  return { args[1], 'OK', line.closed_seq, line.closed_at, line.closed_inbox }
end

-- args: the events.
local function publish(keys, args)
  local names, words = {}, {}
  for i = 3, #args do
    names[args[i]] = true
    words[#words + 1] = args[i]
    words[#words + 1] = ''
  end
  if #words > 0 then redis.call('HSET', keys[1], unpack(words)) end
  for _, name in ipairs(redis.call('HKEYS', keys[1])) do
    if not names[name] then redis.call('HDEL', keys[1], name) end
  end
  catalogue_armed = true
  return { args[1], 'OK' }
end

-- ---- everybody reads

local function catalogue(keys, args)
  if not catalogue_armed then return { args[1], 'UNARMED' } end
  return { args[1], 'OK', unpack(redis.call('HKEYS', keys[1])) }
end

-- args: highest number that the caller was told.
local function progress(keys, args)
  local line, refusal = listed(keys, args)
  if refusal then return refusal end
  local highest = tonumber(args[3])
  if line.armed and forgot(line, highest) then disarm(line, highest) end
  local values = redis.call('HMGET', keys[2], unpack(VIEW))
  return { args[1], 'OK', armed[line.base] == line.epoch and 1 or 0, line.now, unpack(values, 1, #VIEW) }
end

-- args: app_key.
local function place(keys, args)
  local line, refusal = listed(keys, args)
  if refusal then return refusal end
  local packed = find(line, args[3])
  if not packed then return { args[1], line.armed and 'OK' or 'UNARMED' } end
  local number, mark = number_in(packed), mark_in(packed)
  return { args[1], 'OK', number, MARKS[mark], shown(line, number, mark) }
end

-- args: number.
local function number_of(keys, args)
  local line, refusal = listed(keys, args)
  if refusal then return refusal end
  local key = holder(line, tonumber(args[3]))
  if not key then return { args[1], line.armed and 'OK' or 'UNARMED' } end
  return { args[1], 'OK', key }
end

-- args: number to start above, how many at most. Answers how far it looked, then number, app_key, mark, outcome of each.
local function entries(keys, args)
  local line, refusal = listed(keys, args)
  if refusal then return refusal end
  local after, most = tonumber(args[3]), tonumber(args[4])
  local through = math.min(line.seq, after + SCAN_MAX)
  local found, names = {}, {}
  each_slot(line, after + 1, through, function(number, key)
    local packed = find(line, key)
    if packed and number_in(packed) == number then
      found[#found + 1] = { number, key, mark_in(packed) }
      names[#names + 1] = whole(number)
      if #found >= most then
        through = number
        return true
      end
    end
  end)
  local reply = { args[1], 'OK', through, line.seq }
  local stored = #names > 0 and redis.call('HMGET', line.base .. 'o', unpack(names)) or {}
  for i, entry in ipairs(found) do
    local at = #reply
    reply[at + 1], reply[at + 2], reply[at + 3] = entry[1], entry[2], MARKS[entry[3]]
    reply[at + 4] = outcome(line, entry[1], entry[3], stored[i])
  end
  return reply
end

-- ---- the leader reads

-- args: how many at most. Answers how far it looked, then number, app_key, contact of each.
local function head(keys, args)
  local line, refusal = led(keys, args)
  if refusal then return refusal end
  local most, through, found, names = tonumber(args[3]), line.through, {}, {}
  local function take(number, key)
    local packed = find(line, key)
    if packed and number_in(packed) == number and mark_in(packed) == 'W' then
      found[#found + 1] = number
      names[#names + 1] = key
    end
    return #found >= most
  end
  if most > 0 then
    for _, late in ipairs(redis.call('ZRANGE', line.base .. 'l', 0, most - 1)) do
      local key = holder(line, tonumber(late))
      if key then take(tonumber(late), key) end
    end
    if #found < most then
      through = math.min(line.seq, line.through + BLOCK)
      each_slot(line, line.through + 1, through, take)
    end
    if #found >= most then through = math.max(line.through, found[#found]) end
  end
  local reply = { args[1], 'OK', through }
  local contacts = #names > 0 and redis.call('HMGET', line.base .. 'c', unpack(names)) or {}
  for i, number in ipairs(found) do
    local at = #reply
    reply[at + 1], reply[at + 2], reply[at + 3] = number, names[i], contacts[i] or ''
  end
  return reply
end

-- args: position to start above, how many at most. Answers position, time, app_key, number, kind of each.
local function inbox(keys, args)
  local line, refusal = led(keys, args)
  if refusal then return refusal end
  local reply = { args[1], 'OK' }
  local from = whole(tonumber(args[3]) + 1)
  for _, wish in ipairs(redis.call('XRANGE', line.base .. 'i', from, '+', 'COUNT', args[4])) do
    local at, fields = #reply, {}
    for i = 1, #wish[2], 2 do
      fields[wish[2][i]] = wish[2][i + 1]
    end
    reply[at + 1] = string.match(wish[1], '^%d+')
    reply[at + 2], reply[at + 3], reply[at + 4], reply[at + 5] = fields.a, fields.k, fields.n, fields.t
  end
  return reply
end

-- ---- the canaries: every inner command of a role, on keys of nobody, so that a missing right is found before it matters

local CANARY = 'q:{!canary}:'

local function canary_read(keys)
  redis.call('TIME')
  redis.call('HEXISTS', keys[1], '')
  redis.call('HKEYS', CANARY .. 'm')
  redis.call('HMGET', CANARY .. 'm', 'epoch')
  redis.call('HGET', CANARY .. 'a:0', '')
  redis.call('GETRANGE', CANARY .. 'w:0', 0, 15)
  redis.call('XRANGE', CANARY .. 'i', 1, 1)
  redis.call('ZRANGE', CANARY .. 'l', 0, 0)
  return 'OK'
end

local function canary_door(keys)
  redis.call('TIME')
  redis.call('HEXISTS', keys[1], '')
  redis.call('HKEYS', keys[1])
  redis.call('HMGET', CANARY .. 'm', 'epoch')
  return 'OK'
end

local function canary_signup(keys)
  canary_read(keys)
  redis.call('HSET', CANARY .. 'm', 'epoch', 0)
  redis.call('HINCRBY', CANARY .. 'm', 'epoch', 1)
  redis.call('HDEL', CANARY .. 'm', 'epoch')
  redis.call('STRLEN', CANARY .. 'w:0')
  redis.call('SETRANGE', CANARY .. 'w:0', 0, EMPTY)
  redis.call('XADD', CANARY .. 'i', '*', 'n', 0)
  redis.call('UNLINK', CANARY .. 'm', CANARY .. 'w:0', CANARY .. 'i')
  return 'OK'
end

local function canary_worker(keys)
  canary_signup(keys)
  redis.call('XADD', CANARY .. 'i', '*', 'n', 0)
  redis.call('XTRIM', CANARY .. 'i', 'MINID', '1-0')
  redis.call('ZADD', CANARY .. 'l', 1, 1)
  redis.call('ZREM', CANARY .. 'l', 1)
  redis.call('UNLINK', CANARY .. 'i', CANARY .. 'l')
  return 'OK'
end

local function register(name, flags, step)
  local function callback(keys, args)
    if #keys == 0 then return 'PROBE' end
    return step(keys, args)
  end
  redis.register_function({ function_name = name .. '_@VERSION@', callback = callback, flags = flags })
end

-- Without a flag a function is refused whole when the memory is full. What drains a full line is not.
register('apply', {}, apply)
register('restore', {}, restore)
register('canary_signup', { 'allow-oom' }, canary_signup)
register('canary_worker', { 'allow-oom' }, canary_worker)
register('withdraw', { 'allow-oom' }, withdraw)
register('arm', { 'allow-oom' }, arm)
register('project', { 'allow-oom' }, project)
register('moved', { 'allow-oom' }, moved)
register('acknowledge', { 'allow-oom' }, acknowledge)
register('settle', { 'allow-oom' }, settle)
register('publish', { 'allow-oom' }, publish)
register('catalogue', { 'no-writes' }, catalogue)
register('progress', { 'no-writes' }, progress)
register('place', { 'no-writes' }, place)
register('number_of', { 'no-writes' }, number_of)
register('entries', { 'no-writes' }, entries)
register('head', { 'no-writes' }, head)
register('inbox', { 'no-writes' }, inbox)
register('canary_read', { 'no-writes' }, canary_read)
register('canary_door', { 'no-writes' }, canary_door)
