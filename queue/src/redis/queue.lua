#!lua name=firstcome_@VERSION@
-- The queue, inside the server. Each function is one step that nobody sees half of; what a step writes first is harmless
-- without what it writes last, because an error midway takes nothing back. The layout of the keys is known here only:
--   q:catalogue        HASH    the events
--   q:{event}:m        HASH    the standing of the queue
--   q:{event}:a:{hex}  HASHes  rest of app_key -> number (4 bytes), mark (W, M, X), reqhash (8), id of the request (8, if any)
--   q:{event}:w:{n}    STRING  4096 app_keys in number order; 16 zero bytes are a number that nobody has
--   q:{event}:l        ZSET    waiting numbers at or below `through`
--   q:{event}:c        HASH    app_key -> sealed contact
--   q:{event}:p        HASH    app_keys of receipts shown to a queue that does not know them, until they are restored
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
local MARKS = { W = 0, A = 1, X = 2 }
local NUMBERS = {
  'epoch', 'fence', 'seq', 'limit', 'through', 'gapped', 'inbox', 'closed_at', 'closed_seq', 'closed_inbox', 'settled',
  'opens_at', 'closes_at', 'max', 'bits', 'rev', 'figures_fence', 'figures_round', 'intake',
}
local TEXTS = { 'ending', 'gaps' }
local VIEW = {
  'epoch', 'seq', 'limit', 'through', 'gaps', 'closed_at', 'closed_seq', 'closed_inbox', 'ending', 'opens_at', 'closes_at',
  'settings', 'rev', 'figures',
}

-- They die with the server's process and with a reload, and are not replicated: a queue that came back is not used before
-- its leader has looked at it.
local armed = {}
-- Lines that were seen to know less than they had acknowledged, until they are armed again.
local went_back = {}
-- The highest number of each queue that was acknowledged and then found to be nobody's: reason to arm again once, not for ever.
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
  if not HAND_CLOCK then error('the queue takes its time from the server') end
  return tonumber(args[2])
end

-- The standing of the queue, and nothing but `base` and `now` if it was never made.
local function load_queue(keys, args)
  local base = string.sub(keys[2], 1, -2)
  local queue = { base = base, now = time(args) }
  local numbers = redis.call('HMGET', keys[2], unpack(NUMBERS))
  if not numbers[1] then return queue end
  for i, field in ipairs(NUMBERS) do
    queue[field] = tonumber(numbers[i])
  end
  local texts = redis.call('HMGET', keys[2], unpack(TEXTS))
  for i, field in ipairs(TEXTS) do
    queue[field] = texts[i] or nil
  end
  queue.made = true
  queue.armed = armed[base] == queue.epoch
  return queue
end

local function save(queue, changes)
  local words = {}
  for field, value in pairs(changes) do
    queue[field] = value
    words[#words + 1] = field
    words[#words + 1] = type(value) == 'number' and whole(value) or value
  end
  if #words > 0 then redis.call('HSET', queue.base .. 'm', unpack(words)) end
end

local function close(queue, at)
  if not queue.closed_at then
    save(queue, { closed_at = at, closed_seq = queue.seq, closed_inbox = queue.inbox })
  end
end

local function close_if_due(queue)
  if queue.made and queue.armed and queue.now >= queue.closes_at then close(queue, queue.closes_at) end
end

-- Why nobody may know this queue: nil if they may.
local function unlisted(keys, args, queue)
  local event = string.sub(queue.base, 4, -3)
  if redis.call('HEXISTS', keys[1], event) == 0 then
    return { args[1], catalogue_armed and 'UNKNOWN' or 'UNARMED' }
  end
  if not queue.made then return { args[1], 'UNARMED' } end
end

-- For what applicants write: the queue, or why not.
local function open(keys, args)
  local queue = load_queue(keys, args)
  close_if_due(queue)
  local refusal = unlisted(keys, args, queue)
  if not refusal and not queue.armed then refusal = { args[1], 'UNARMED' } end
  return queue, refusal
end

-- For what everybody reads.
local function listed(keys, args)
  local queue = load_queue(keys, args)
  return queue, unlisted(keys, args, queue)
end

-- For what the leader reads.
local function led(keys, args)
  local queue = load_queue(keys, args)
  if not queue.made then return queue, { args[1], 'UNKNOWN' } end
  if not queue.armed then return queue, { args[1], 'UNARMED' } end
  return queue
end

-- For what the leader writes; args[3] is its fence.
local function fenced(keys, args, needs_arming)
  local queue, fence = load_queue(keys, args), tonumber(args[3])
  close_if_due(queue)
  if not queue.made then return queue, { args[1], 'UNKNOWN' } end
  if fence < queue.fence then return queue, { args[1], 'FENCED', queue.fence } end
  if needs_arming and not queue.armed then return queue, { args[1], 'UNARMED' } end
  if fence > queue.fence then save(queue, { fence = fence }) end
  return queue
end

local function bucket(queue, key)
  local a, b, c = string.byte(key, 1, 3)
  local prefix = math.floor((a * 65536 + b * 256 + c) / 2 ^ (24 - queue.bits))
  return queue.base .. 'a:' .. string.format('%x', prefix), string.sub(key, math.floor(queue.bits / 8) + 1)
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
local function find(queue, key)
  local name, field = bucket(queue, key)
  return redis.call('HGET', name, field), name, field
end

local function remark(packed, mark)
  return string.sub(packed, 1, 4) .. mark .. string.sub(packed, 6)
end

local function slot(queue, number)
  local block = math.floor((number - 1) / BLOCK)
  return queue.base .. 'w:' .. whole(block), (number - 1 - block * BLOCK) * 16
end

-- Writes app_keys at consecutive numbers. A block is made in its full size at once: grown, it would take up to twice that.
local function order(queue, number, keys)
  local from, count = 1, #keys
  while from <= count do
    local name, offset = slot(queue, number)
    local to = math.min(count, from + BLOCK - 1 - offset / 16)
    if redis.call('STRLEN', name) == 0 then redis.call('SETRANGE', name, BLOCK * 16 - 1, '\0') end
    redis.call('SETRANGE', name, offset, table.concat(keys, '', from, to))
    number, from = number + to - from + 1, to + 1
  end
end

-- Calls `visit(number, key)` for each slot in use, until one returns true.
local function each_slot(queue, from, to, visit)
  while from <= to do
    local name, offset = slot(queue, from)
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
local function holder(queue, number)
  local name, offset = slot(queue, number)
  local key = redis.call('GETRANGE', name, offset, offset + 15)
  if key == '' or key == EMPTY then return nil end
  local packed = find(queue, key)
  if packed and number_in(packed) == number then return key end
end

local function outcome(queue, number, mark, stored)
  if stored then return stored end
  if mark == 'W' and queue.ending == 'settled' and queue.settled and number <= queue.settled then return 'sold_out' end
  return ''
end

local function shown(queue, number, mark)
  return outcome(queue, number, mark, redis.call('HGET', queue.base .. 'o', whole(number)))
end

-- ---- applicants write

local NEW, AGAIN, REGRESSED, CLOSED, NOT_OPEN, ON_HOLD, FULL, AT_LIMIT = 0, 1, 2, 3, 4, 5, 6, 7

-- Whether the queue knows less than it acknowledged: the caller was told a number above its last one, or one that is nobody's
-- now, since a leader was faster and skipped it.
local function forgot(queue, highest)
  return highest > queue.seq or (highest > (missed[queue.base] or 0) and not holder(queue, highest))
end

local function disarm(queue, highest)
  armed[queue.base], went_back[queue.base] = nil, true
  missed[queue.base] = math.max(missed[queue.base] or 0, highest)
end

local function refusal_of(queue, seq, behind)
  if behind then return REGRESSED end
  if queue.closed_at then return CLOSED end
  if queue.now < queue.opens_at then return NOT_OPEN end
  if queue.intake == 0 then return ON_HOLD end
  if seq - queue.gapped >= queue.max then return FULL end
  if seq >= queue.limit then return AT_LIMIT end
end

-- args: highest number that the caller was told, then app_key, reqhash, contact of each. Answers in one text, 6 bytes each:
-- code, number, flags (1 proven, and twice the mark).
local function apply(keys, args)
  local queue, refusal = open(keys, args)
  if refusal then return refusal end
  local highest = tonumber(args[3])
  local behind = forgot(queue, highest)
  local seq, known, fresh, commits, contacts, answers, again = queue.seq, {}, {}, {}, {}, {}, false
  for i = 4, #args, 3 do
    local key, secret, contact = args[i], args[i + 1], args[i + 2]
    local name, field = bucket(queue, key)
    local packed = known[key] or redis.call('HGET', name, field)
    local code, number, flags = AGAIN, 0, 0
    if packed then
      local proven = secret ~= NO_SECRET and string.sub(packed, 6, 13) == secret
      number, flags, again = number_in(packed), MARKS[mark_in(packed)] * 2 + (proven and 1 or 0), true
    else
      code = refusal_of(queue, seq, behind)
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
        disarm(queue, highest)
      end
    end
    answers[#answers + 1] = struct.pack('>BI4B', code, number, flags)
  end
  if #fresh > 0 then
    order(queue, queue.seq + 1, fresh)
    if #contacts > 0 then redis.call('HSET', queue.base .. 'c', unpack(contacts)) end
    save(queue, { seq = seq })
    for _, commit in ipairs(commits) do
      redis.call('HSET', commit[1], commit[2], commit[3])
    end
  end
  -- Who finds what another connection wrote must wait for its durability too, and so has to write something.
  if again then redis.call('HINCRBY', keys[2], 'barrier', 1) end
  return { args[1], 'OK', queue.epoch, queue.opens_at, queue.closed_at or 0, table.concat(answers) }
end

-- A request that the inbox has not acknowledged yet.
local function waits_in_inbox(queue, packed)
  if #packed < 21 then return false end
  local id = whole(struct.unpack('>d', string.sub(packed, 14, 21)))
  return #redis.call('XRANGE', queue.base .. 'i', id, id) > 0
end

local function write_down(queue, key, number, kind)
  -- An epoch's ids lie above all ids of earlier ones, also of those that were lost.
  local id = math.max(queue.inbox, queue.epoch * 2147483648) + 1
  save(queue, { inbox = id })
  redis.call('XADD', queue.base .. 'i', whole(id) .. '-0', 'n', whole(number), 'k', key, 't', kind, 'a', whole(queue.now))
  return struct.pack('>d', id)
end

-- Who holds a receipt and is not known is named to the leader, once, unless the number is another's or was never given.
local function present(queue, key, number)
  if queue.ending == 'settled' or number > queue.seq or holder(queue, number) then return end
  if redis.call('HSET', queue.base .. 'p', key, whole(number)) == 1 then write_down(queue, key, number, 'present') end
end

-- args: app_key, kind, number on the receipt that is shown.
local function withdraw(keys, args)
  local queue, refusal = open(keys, args)
  if refusal then return refusal end
  local key, kind = args[3], args[4]
  local packed, name, field = find(queue, key)
  if not packed then
    if kind == 'present' then present(queue, key, tonumber(args[5])) end
    return { args[1], 'OK' }
  end
  local number, mark = number_in(packed), mark_in(packed)
  -- The key under another number is not the application of that receipt.
  if kind ~= 'present' and number ~= tonumber(args[5]) then return { args[1], 'OK' } end
  local told = shown(queue, number, mark)
  if kind ~= 'present' and queue.ending ~= 'settled' and mark ~= 'X' then
    local after = packed
    if mark == 'W' and number > queue.through then after, mark = remark(packed, 'X'), 'X' end
    local open_end = told == '' or string.sub(told, 1, 7) == 'ordered'
    if open_end and not waits_in_inbox(queue, packed) then
      after = string.sub(after, 1, 13) .. write_down(queue, key, number, kind)
    end
    if after ~= packed then redis.call('HSET', name, field, after) end
    if mark == 'X' then redis.call('HDEL', queue.base .. 'c', key) end
  end
  return { args[1], 'OK', number, MARKS[mark], told }
end

-- ---- the leader writes

-- args: fence, epoch, limit, rev, settings, opens_at, closes_at, intake, max, bits.
local function arm(keys, args)
  local queue = load_queue(keys, args)
  close_if_due(queue)
  local fence, epoch = tonumber(args[3]), tonumber(args[4])
  local changes, lost = {}, went_back[queue.base]
  if not queue.made then
    lost = tonumber(args[5]) > 0
    queue.seq, queue.limit, queue.gapped, queue.gaps = 0, 0, 0, nil
    changes = {
      through = 0, inbox = 0, rev = args[6], settings = args[7], opens_at = args[8], closes_at = tonumber(args[9]),
      intake = args[10], max = args[11], bits = args[12], figures = '', figures_fence = 0, figures_round = 0, barrier = 0,
    }
  elseif fence < queue.fence then
    return { args[1], 'FENCED', queue.fence }
  elseif epoch <= queue.epoch then
    return { args[1], 'EPOCH', queue.epoch }
  end
  local limit = math.max(queue.limit, tonumber(args[5]))
  local skipped = math.max(0, limit - queue.seq)
  -- Neither side has opened the event or knows of a number, so no application can have been accepted.
  local opens_at = math.min(queue.opens_at or 0, tonumber(args[8]))
  if args[13] == '1' and queue.made and not lost and queue.seq == 0 and queue.now < opens_at then skipped = 0 end
  if skipped > 0 then
    local rest, last_from, last_to = string.match(queue.gaps or '', '^(.-),?(%d+)%-(%d+)$')
    local from = queue.seq + 1
    if last_to and tonumber(last_to) + 1 >= from then
      from = tonumber(last_from)
    else
      rest = queue.gaps or ''
    end
    changes.gaps = (rest == '' and '' or rest .. ',') .. whole(from) .. '-' .. whole(limit)
  end
  changes.gapped, changes.seq = queue.gapped + skipped, queue.seq + skipped
  -- Restored numbers may lie above every limit.
  changes.limit = changes.seq
  changes.epoch, changes.fence = epoch, fence
  save(queue, changes)
  queue.made, queue.armed = true, true
  close_if_due(queue)
  armed[queue.base], went_back[queue.base] = epoch, nil
  return { args[1], 'OK', queue.seq, skipped, lost and 1 or 0 }
end

local function take_settings(queue, args, changes)
  local opens_at, closes_at = tonumber(args[6]), tonumber(args[7])
  if queue.now >= queue.opens_at then opens_at = queue.opens_at end
  if queue.closed_at or queue.now >= queue.closes_at then closes_at = queue.closes_at end
  changes.rev, changes.settings = tonumber(args[4]), args[5]
  changes.opens_at, changes.closes_at = opens_at, closes_at
  changes.intake, changes.max = tonumber(args[8]), tonumber(args[9])
end

-- args: fence, rev, settings, opens_at, closes_at, intake, max, state, limit, round, figures, settled_seq, then number and
-- outcome of each.
local function project(keys, args)
  local queue, refusal = fenced(keys, args, false)
  if refusal then return refusal end
  local changes = { limit = math.max(queue.limit, tonumber(args[11])) }
  if tonumber(args[4]) > queue.rev then take_settings(queue, args, changes) end
  local fence, round = tonumber(args[3]), tonumber(args[12])
  if fence > queue.figures_fence or (fence == queue.figures_fence and round >= queue.figures_round) then
    changes.figures, changes.figures_fence, changes.figures_round = args[13], fence, round
  end
  local ending = queue.ending
  if ending == 'settled' or args[10] == 'settled' then
    ending = 'settled'
    if not queue.settled then changes.settled = tonumber(args[14]) end
  elseif args[10] == 'settling' then
    ending = 'settling'
  end
  changes.ending = ending
  save(queue, changes)
  if ending then close(queue, math.min(queue.now, queue.closes_at)) end
  local name = queue.base .. 'o'
  for i = 15, #args, 2 do
    local before = redis.call('HGET', name, args[i])
    local once_more = before and string.sub(before, 1, 7) == 'ordered' and string.sub(args[i + 1], 1, 9) == 'cancelled'
    if not before or once_more then redis.call('HSET', name, args[i], args[i + 1]) end
  end
  return { args[1], 'OK' }
end

local function move(queue, key)
  local packed, name, field = find(queue, key)
  if packed and mark_in(packed) == 'W' then
    redis.call('HSET', name, field, remark(packed, 'A'))
    packed = remark(packed, 'A')
  end
  if packed and mark_in(packed) == 'A' then
    redis.call('HDEL', queue.base .. 'c', key)
    redis.call('ZREM', queue.base .. 'l', whole(number_in(packed)))
  end
end

-- args: fence, through, app_keys.
local function admitted(keys, args)
  local queue, refusal = fenced(keys, args, true)
  if refusal then return refusal end
  local named = {}
  for i = 5, #args do
    named[args[i]] = true
    move(queue, args[i])
  end
  local through = math.min(tonumber(args[4]), queue.seq)
  -- Who waits and was not named is passed by, and must be found again.
  each_slot(queue, queue.through + 1, through, function(number, key)
    if not named[key] then
      local packed = find(queue, key)
      if packed and number_in(packed) == number and mark_in(packed) == 'W' then
        redis.call('ZADD', queue.base .. 'l', number, whole(number))
      end
    end
  end)
  if through > queue.through then save(queue, { through = through }) end
  return { args[1], 'OK' }
end

-- args: fence, through.
local function acknowledge(keys, args)
  local queue, refusal = fenced(keys, args, true)
  if refusal then return refusal end
  redis.call('XTRIM', queue.base .. 'i', 'MINID', whole(tonumber(args[4]) + 1) .. '-0')
  return { args[1], 'OK' }
end

-- false if the queue has the key under another number or the number under another key.
local function restore_one(queue, number, key, secret, mark, contact)
  redis.call('HDEL', queue.base .. 'p', key)
  local packed, name, field = find(queue, key)
  if packed and number_in(packed) ~= number then return false end
  if not packed and holder(queue, number) then return false end
  -- Before the application itself, so that no number above `seq` is ever found in use.
  if number > queue.seq then save(queue, { seq = number }) end
  if queue.closed_seq and number > queue.closed_seq then save(queue, { closed_seq = number }) end
  if packed then
    if mark == 'A' and mark_in(packed) == 'W' then move(queue, key) end
    return true
  end
  order(queue, number, { key })
  if mark == 'W' then
    if contact ~= '' then redis.call('HSET', queue.base .. 'c', key, contact) end
    if number <= queue.through then redis.call('ZADD', queue.base .. 'l', number, whole(number)) end
  end
  redis.call('HSET', name, field, pack(number, mark, secret))
  return true
end

-- args: fence, then number, app_key, reqhash, mark, contact of each.
local function restore(keys, args)
  local queue, refusal = fenced(keys, args, false)
  if refusal then return refusal end
  local conflicts = 0
  for i = 4, #args, 5 do
    if not restore_one(queue, tonumber(args[i]), args[i + 1], args[i + 2], args[i + 3], args[i + 4]) then
      conflicts = conflicts + 1
    end
  end
  return { args[1], 'OK', conflicts }
end

-- args: fence.
local function settle(keys, args)
  local queue, refusal = fenced(keys, args, true)
  if refusal then return refusal end
  close(queue, math.min(queue.now, queue.closes_at))
  return { args[1], 'OK', queue.closed_seq, queue.closed_at, queue.closed_inbox }
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
  local queue, refusal = listed(keys, args)
  if refusal then return refusal end
  local highest = tonumber(args[3])
  if queue.armed and forgot(queue, highest) then disarm(queue, highest) end
  local values = redis.call('HMGET', keys[2], unpack(VIEW))
  return { args[1], 'OK', armed[queue.base] == queue.epoch and 1 or 0, queue.now, unpack(values, 1, #VIEW) }
end

-- args: app_key.
local function place(keys, args)
  local queue, refusal = listed(keys, args)
  if refusal then return refusal end
  local packed = find(queue, args[3])
  if not packed then return { args[1], queue.armed and 'OK' or 'UNARMED' } end
  local number, mark = number_in(packed), mark_in(packed)
  return { args[1], 'OK', number, MARKS[mark], shown(queue, number, mark) }
end

-- args: number.
local function number_of(keys, args)
  local queue, refusal = listed(keys, args)
  if refusal then return refusal end
  local key = holder(queue, tonumber(args[3]))
  if not key then return { args[1], queue.armed and 'OK' or 'UNARMED' } end
  return { args[1], 'OK', key }
end

-- args: number to start above, how many at most. Answers how far it looked, then number, app_key, mark, outcome of each.
local function entries(keys, args)
  local queue, refusal = listed(keys, args)
  if refusal then return refusal end
  local after, most = tonumber(args[3]), tonumber(args[4])
  local through = math.min(queue.seq, after + SCAN_MAX)
  local found, names = {}, {}
  each_slot(queue, after + 1, through, function(number, key)
    local packed = find(queue, key)
    if packed and number_in(packed) == number then
      found[#found + 1] = { number, key, mark_in(packed) }
      names[#names + 1] = whole(number)
      if #found >= most then
        through = number
        return true
      end
    end
  end)
  local reply = { args[1], 'OK', through, queue.seq }
  local stored = #names > 0 and redis.call('HMGET', queue.base .. 'o', unpack(names)) or {}
  for i, entry in ipairs(found) do
    local at = #reply
    reply[at + 1], reply[at + 2], reply[at + 3] = entry[1], entry[2], MARKS[entry[3]]
    reply[at + 4] = outcome(queue, entry[1], entry[3], stored[i])
  end
  return reply
end

-- ---- the leader reads

-- args: how many at most. Answers how far it looked, then number, app_key, contact of each.
local function head(keys, args)
  local queue, refusal = led(keys, args)
  if refusal then return refusal end
  local most, through, found, names = tonumber(args[3]), queue.through, {}, {}
  local function take(number, key)
    local packed = find(queue, key)
    if packed and number_in(packed) == number and mark_in(packed) == 'W' then
      found[#found + 1] = number
      names[#names + 1] = key
    end
    return #found >= most
  end
  if most > 0 then
    for _, late in ipairs(redis.call('ZRANGE', queue.base .. 'l', 0, most - 1)) do
      local key = holder(queue, tonumber(late))
      if key then take(tonumber(late), key) end
    end
    if #found < most then
      through = math.min(queue.seq, queue.through + BLOCK)
      each_slot(queue, queue.through + 1, through, take)
    end
    if #found >= most then through = math.max(queue.through, found[#found]) end
  end
  local reply = { args[1], 'OK', through }
  local contacts = #names > 0 and redis.call('HMGET', queue.base .. 'c', unpack(names)) or {}
  for i, number in ipairs(found) do
    local at = #reply
    reply[at + 1], reply[at + 2], reply[at + 3] = number, names[i], contacts[i] or ''
  end
  return reply
end

-- args: position to start above, how many at most. Answers position, time, app_key, number, kind of each.
local function inbox(keys, args)
  local queue, refusal = led(keys, args)
  if refusal then return refusal end
  local reply = { args[1], 'OK' }
  local from = whole(tonumber(args[3]) + 1)
  for _, wish in ipairs(redis.call('XRANGE', queue.base .. 'i', from, '+', 'COUNT', args[4])) do
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

local function canary_gateway(keys)
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

-- Without a flag a function is refused whole when the memory is full. What drains a full queue is not.
register('apply', {}, apply)
register('restore', {}, restore)
register('canary_signup', { 'allow-oom' }, canary_signup)
register('canary_worker', { 'allow-oom' }, canary_worker)
register('withdraw', { 'allow-oom' }, withdraw)
register('arm', { 'allow-oom' }, arm)
register('project', { 'allow-oom' }, project)
register('admitted', { 'allow-oom' }, admitted)
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
register('canary_gateway', { 'no-writes' }, canary_gateway)
