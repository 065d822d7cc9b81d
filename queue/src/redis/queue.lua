#!lua name=firstcome_@VERSION@
-- The functions of the queue. Redis runs each function as one step that no other client sees half done. An error midway undoes
-- nothing, so the writes are ordered: an earlier write is harmless without the last one. Only this file knows the layout:
--   q:catalogue        HASH    the published events
--   q:{event}:m        HASH    the state of the queue
--   q:{event}:a:{hex}  HASHes  rest of app_key -> number (4 bytes), state (1), reqhash (8), id of a cancel request (8, if any)
--   q:{event}:w:{n}    STRING  4096 app_keys in the order of their numbers; 16 zero bytes for a number without an application
--   q:{event}:b        HASH    block -> how many of its applications wait, if any
--   q:{event}:l        ZSET    waiting numbers at or below admitted_through
--   q:{event}:c        HASH    app_key -> sealed contact
--   q:{event}:p        HASH    app_keys of presented receipts whose applications are missing, until they are restored
--   q:{event}:j        HASH    id of a journal -> the last loss of applications that it was replayed for; empty before the leader knows it
--   q:{event}:i        STREAM  the inbox; the first half of an id is the position
--   q:{event}:o        HASH    number -> outcome, or outcome:order number, or called:until:flags while the applicant is called; the
--                              flags are x (extended), c (confirmed) and e (more time requested)
-- The states are W (waiting), A (admitted) and X (withdrawn).
-- Every function takes the keys `q:catalogue` and `q:{event}:m` and the arguments nonce, now, ... Every reply starts with the
-- nonce. Without keys a function answers PROBE, which shows that the caller may call it.

-- The copy of this text for tests says true and takes the time from the caller. This one takes the time from the server only.
local HAND_CLOCK = false

local BLOCK = 4096
local SCAN_MAX = 4 * BLOCK
-- While this text is loaded, only `redis.register_function` may be called: hence no `string.rep` here.
local NO_SECRET = '\0\0\0\0\0\0\0\0'
local NO_KEY = NO_SECRET .. NO_SECRET
local STATE_CODES = { W = 0, A = 1, X = 2 }

-- The fields of q:{event}:m by the names that this text uses, and those that are stored under another name.
local INTEGERS = {
  'epoch', 'fence', 'seq', 'number_limit', 'admitted_through', 'skipped', 'inbox_last', 'closed_at', 'closed_seq',
  'closed_inbox', 'settled_seq', 'opens_at', 'closes_at', 'applications_max', 'prefix_bits', 'rev', 'figures_fence',
  'figures_round', 'intake', 'waiting', 'reached', 'lost', 'lost_epoch', 'ledger_changes',
}
local TEXTS = { 'ending', 'gaps' }
local SNAPSHOT = {
  'epoch', 'seq', 'number_limit', 'admitted_through', 'gaps', 'closed_at', 'closed_seq', 'closed_inbox', 'ending', 'opens_at',
  'closes_at', 'settings', 'rev', 'figures', 'waiting', 'reached', 'lost', 'lost_epoch', 'ledger_changes',
}
local STORED_AS = {
  number_limit = 'limit', admitted_through = 'through', skipped = 'gapped', inbox_last = 'inbox', settled_seq = 'settled',
  applications_max = 'max', prefix_bits = 'bits',
}

local function stored(names)
  local fields = {}
  for i = 1, #names do
    fields[i] = STORED_AS[names[i]] or names[i]
  end
  return fields
end

local INTEGER_FIELDS, TEXT_FIELDS, SNAPSHOT_FIELDS = stored(INTEGERS), stored(TEXTS), stored(SNAPSHOT)

-- These variables end with the server's process and with a reload, and are not replicated: after a restart a queue is not used
-- before its leader has armed it.
-- The epoch in which each queue was armed.
local armed_epochs = {}
-- Queues with fewer numbers than they acknowledged, until they are armed again.
local regressed = {}
-- By queue and journal, the last number that the process got from the queue; only of reports since the last arming.
local reported_numbers = {}
local catalogue_armed = false

-- An integer as text: by itself, Lua writes numbers above 10^14 with an exponent.
local function integer(n)
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

-- The state of the queue; only `base` and `now` if the event has none.
local function load_queue(keys, args)
  local base = string.sub(keys[2], 1, -2)
  local queue = { base = base, now = time(args) }
  local integers = redis.call('HMGET', keys[2], unpack(INTEGER_FIELDS))
  if not integers[1] then return queue end
  for i, name in ipairs(INTEGERS) do
    queue[name] = tonumber(integers[i])
  end
  local texts = redis.call('HMGET', keys[2], unpack(TEXT_FIELDS))
  for i, name in ipairs(TEXTS) do
    queue[name] = texts[i] or nil
  end
  queue.exists = true
  queue.armed = armed_epochs[base] == queue.epoch
  return queue
end

local function save(queue, changes)
  local fields = {}
  for name, value in pairs(changes) do
    queue[name] = value
    fields[#fields + 1] = STORED_AS[name] or name
    fields[#fields + 1] = type(value) == 'number' and integer(value) or value
  end
  if #fields > 0 then redis.call('HSET', queue.base .. 'm', unpack(fields)) end
end

local function close(queue, at)
  if not queue.closed_at then
    save(queue, { closed_at = at, closed_seq = queue.seq, closed_inbox = queue.inbox_last })
  end
end

local function close_if_due(queue)
  if queue.exists and queue.armed and queue.now >= queue.closes_at then close(queue, queue.closes_at) end
end

-- The refusal for an event that the catalogue does not list or that has no queue; otherwise nil.
local function refuse_unlisted(keys, args, queue)
  local event = string.sub(queue.base, 4, -3)
  if redis.call('HEXISTS', keys[1], event) == 0 then
    return { args[1], catalogue_armed and 'UNKNOWN' or 'UNARMED' }
  end
  if not queue.exists then return { args[1], 'UNARMED' } end
end

-- The queue for the writes of applicants, and the refusal if it takes none.
local function open_for_applicant(keys, args)
  local queue = load_queue(keys, args)
  close_if_due(queue)
  local refusal = refuse_unlisted(keys, args, queue)
  if not refusal and not queue.armed then refusal = { args[1], 'UNARMED' } end
  return queue, refusal
end

-- The queue for the reads of every role, and the refusal if there is none.
local function open_for_reader(keys, args)
  local queue = load_queue(keys, args)
  return queue, refuse_unlisted(keys, args, queue)
end

-- The queue for the reads of the leader, and the refusal if it is not armed.
local function open_for_leader(keys, args)
  local queue = load_queue(keys, args)
  if not queue.exists then return queue, { args[1], 'UNKNOWN' } end
  if not queue.armed then return queue, { args[1], 'UNARMED' } end
  return queue
end

-- The queue for the writes of the leader, whose fence is args[3], and the refusal if a newer leader or no arming forbids it.
local function open_fenced(keys, args, needs_arming)
  local queue, fence = load_queue(keys, args), tonumber(args[3])
  close_if_due(queue)
  if not queue.exists then return queue, { args[1], 'UNKNOWN' } end
  if fence < queue.fence then return queue, { args[1], 'FENCED', queue.fence } end
  if needs_arming and not queue.armed then return queue, { args[1], 'UNARMED' } end
  if fence > queue.fence then save(queue, { fence = fence }) end
  return queue
end

-- ---- applications

-- The hash and the field of an application.
local function bucket(queue, key)
  local a, b, c = string.byte(key, 1, 3)
  local prefix = math.floor((a * 65536 + b * 256 + c) / 2 ^ (24 - queue.prefix_bits))
  return queue.base .. 'a:' .. string.format('%x', prefix), string.sub(key, math.floor(queue.prefix_bits / 8) + 1)
end

local function pack(number, state, secret)
  return struct.pack('>I4', number) .. state .. secret
end

local function packed_number(packed)
  local a, b, c, d = string.byte(packed, 1, 4)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

local function packed_state(packed)
  return string.sub(packed, 5, 5)
end

-- Whether the application has the id of a cancel request.
local function cancel_requested(packed)
  return #packed >= 21 and 1 or 0
end

local function with_state(packed, state)
  return string.sub(packed, 1, 4) .. state .. string.sub(packed, 6)
end

-- The packed application of a key, with its hash and field.
local function find(queue, key)
  local name, field = bucket(queue, key)
  return redis.call('HGET', name, field), name, field
end

local function block_of(number)
  return math.floor((number - 1) / BLOCK)
end

-- The block's key and the offset of a number.
local function slot(queue, number)
  local block = block_of(number)
  return queue.base .. 'w:' .. integer(block), (number - 1 - block * BLOCK) * 16
end

-- The counts of waiting applications. After an error midway a count must not be too low, since an event is settled when none
-- waits. So a count of a block rises before the applications are written, and falls after; `waiting` is the last write, to the key
-- that `seq` was written to before.
local function add_to_block(queue, block, change)
  if redis.call('HINCRBY', queue.base .. 'b', integer(block), integer(change)) == 0 then
    redis.call('HDEL', queue.base .. 'b', integer(block))
  end
end

local function add_to_blocks(queue, from, to)
  while from <= to do
    local block = block_of(from)
    local last = math.min(to, (block + 1) * BLOCK)
    add_to_block(queue, block, last - from + 1)
    from = last + 1
  end
end

-- The first number from which on an application may wait: `number` itself if one waits in its block, otherwise the first number of
-- the next such block; nil if there is none.
local function next_occupied(queue, number)
  local name, block, next_block = queue.base .. 'b', block_of(number), nil
  if redis.call('HEXISTS', name, integer(block)) == 1 then return number end
  for _, field in ipairs(redis.call('HKEYS', name)) do
    local other = tonumber(field)
    if other > block and (not next_block or other < next_block) then next_block = other end
  end
  return next_block and next_block * BLOCK + 1
end

-- Writes app_keys at consecutive numbers. A block is created in its full size: growing, it would take up to twice the memory.
local function write_slots(queue, number, keys)
  local from, count = 1, #keys
  while from <= count do
    local name, offset = slot(queue, number)
    local to = math.min(count, from + BLOCK - 1 - offset / 16)
    if redis.call('STRLEN', name) == 0 then redis.call('SETRANGE', name, BLOCK * 16 - 1, '\0') end
    redis.call('SETRANGE', name, offset, table.concat(keys, '', from, to))
    number, from = number + to - from + 1, to + 1
  end
end

-- Calls `visit(number, key)` for each slot in use, until one call returns true.
local function each_slot(queue, from, to, visit)
  while from <= to do
    local name, offset = slot(queue, from)
    local last = math.min(to, from + BLOCK - 1 - offset / 16)
    local keys = redis.call('GETRANGE', name, offset, offset + (last - from + 1) * 16 - 1)
    for i = 1, #keys, 16 do
      local key = string.sub(keys, i, i + 15)
      if key ~= NO_KEY and visit(from + (i - 1) / 16, key) then return end
    end
    from = last + 1
  end
end

-- The app_key with the number. A slot does not count if its application has another number or does not exist.
local function key_with_number(queue, number)
  local name, offset = slot(queue, number)
  local key = redis.call('GETRANGE', name, offset, offset + 15)
  if key == '' or key == NO_KEY then return nil end
  local packed = find(queue, key)
  if packed and packed_number(packed) == number then return key end
end

-- When the time of a called applicant ends, and the flags; nil for an outcome.
local function parse_called(text)
  local until_at, flags = string.match(text or '', '^called:(%d+):(%a*)$')
  if until_at then return tonumber(until_at), flags end
end

local function has_flag(flags, flag)
  return string.find(flags, flag, 1, true) ~= nil
end

local function called_text(until_at, flags)
  return 'called:' .. integer(until_at) .. ':' .. flags
end

-- What to keep of a called applicant when the ledger projects the time again: requests that it may not have handled yet.
local function merge_called(before, after)
  local _, old_flags = parse_called(before)
  local until_at, flags = parse_called(after)
  if not old_flags then return after end
  if has_flag(old_flags, 'c') and not has_flag(flags, 'c') then flags = flags .. 'c' end
  if has_flag(old_flags, 'e') then flags = flags .. 'e' end
  return called_text(until_at, flags)
end

-- The outcome of an application, or the time of a called applicant, from what q:{event}:o has for its number.
local function outcome_from(queue, number, state, stored_outcome)
  if stored_outcome and not parse_called(stored_outcome) then return stored_outcome end
  if state == 'W' and queue.ending == 'settled' and queue.settled_seq and number <= queue.settled_seq then return 'sold_out' end
  return stored_outcome or ''
end

local function outcome_of(queue, number, state)
  return outcome_from(queue, number, state, redis.call('HGET', queue.base .. 'o', integer(number)))
end

-- ---- writes of applicants

local NEW, ALREADY_APPLIED, REGRESSED, CLOSED, NOT_OPEN, ON_HOLD, FULL, AT_LIMIT = 0, 1, 2, 3, 4, 5, 6, 7

-- Whether the queue has less than it acknowledged: the highest number that the caller has from it is above the last one, or has
-- no application any more, because a leader has skipped it meanwhile.
local function has_regressed(queue, acknowledged)
  -- A loss that the leader knows, or will find, is no reason to arm once more.
  if acknowledged == 0 or queue.lost == 1 or queue.lost_epoch == queue.epoch then return false end
  return acknowledged > queue.seq or not key_with_number(queue, acknowledged)
end

local function disarm(queue)
  armed_epochs[queue.base], regressed[queue.base] = nil, true
end

-- Why the number after `seq` cannot be given; nil if it can.
local function refuse_number(queue, seq, is_regressed)
  if is_regressed then return REGRESSED end
  if queue.closed_at then return CLOSED end
  if queue.now < queue.opens_at then return NOT_OPEN end
  if queue.intake == 0 then return ON_HOLD end
  if seq - queue.skipped >= queue.applications_max then return FULL end
  if seq >= queue.number_limit then return AT_LIMIT end
end

-- args: highest number acknowledged to the caller, then app_key, reqhash, contact of each application. The reply has one text
-- with 6 bytes for each: code, number, flags (1 if proven, plus twice the code of the state).
local function apply(keys, args)
  local queue, refusal = open_for_applicant(keys, args)
  if refusal then return refusal end
  local acknowledged = tonumber(args[3])
  local is_regressed = has_regressed(queue, acknowledged)
  local seq, packed_new, new_keys, commits, contacts, results, repeated = queue.seq, {}, {}, {}, {}, {}, false
  for i = 4, #args, 3 do
    local key, secret, contact = args[i], args[i + 1], args[i + 2]
    local name, field = bucket(queue, key)
    local packed = packed_new[key] or redis.call('HGET', name, field)
    local code, number, flags = ALREADY_APPLIED, 0, 0
    if packed then
      local proven = secret ~= NO_SECRET and string.sub(packed, 6, 13) == secret
      number, flags = packed_number(packed), STATE_CODES[packed_state(packed)] * 2 + (proven and 1 or 0)
      repeated = true
    else
      code = refuse_number(queue, seq, is_regressed)
      if not code then
        seq = seq + 1
        code, number, flags = NEW, seq, secret ~= NO_SECRET and 1 or 0
        packed = pack(seq, 'W', secret)
        packed_new[key], new_keys[#new_keys + 1] = packed, key
        commits[#commits + 1] = { name, field, packed }
        if contact ~= '' then
          contacts[#contacts + 1] = key
          contacts[#contacts + 1] = contact
        end
      elseif code == REGRESSED then
        disarm(queue)
      end
    end
    results[#results + 1] = struct.pack('>BI4B', code, number, flags)
  end
  if #new_keys > 0 then
    add_to_blocks(queue, queue.seq + 1, seq)
    write_slots(queue, queue.seq + 1, new_keys)
    if #contacts > 0 then redis.call('HSET', queue.base .. 'c', unpack(contacts)) end
    save(queue, { seq = seq })
    for _, commit in ipairs(commits) do
      redis.call('HSET', commit[1], commit[2], commit[3])
    end
    save(queue, { waiting = queue.waiting + #new_keys })
  end
  -- The reply about an application that another connection wrote must wait until that write is durable. Redis delays the replies
  -- of writes only, so something has to be written.
  if repeated then redis.call('HINCRBY', keys[2], 'barrier', 1) end
  return { args[1], 'OK', queue.epoch, queue.opens_at, queue.closed_at or 0, table.concat(results) }
end

-- Whether the inbox still has the cancel request of the application.
local function is_in_inbox(queue, packed)
  if cancel_requested(packed) == 0 then return false end
  local id = integer(struct.unpack('>d', string.sub(packed, 14, 21)))
  return #redis.call('XRANGE', queue.base .. 'i', id, id) > 0
end

-- Returns the packed id of the request. It is stamped with the queue's clock, unless a journal has an earlier time.
local function post_to_inbox(queue, key, number, kind, at, order_no)
  -- The ids of an epoch lie above all ids of earlier ones, also of those that were lost.
  local id = math.max(queue.inbox_last, queue.epoch * 2147483648) + 1
  save(queue, { inbox_last = id })
  redis.call(
    'XADD', queue.base .. 'i', integer(id) .. '-0', 'n', integer(number), 'k', key, 't', kind, 'a', integer(at or queue.now),
    'o', order_no or ''
  )
  return struct.pack('>d', id)
end

-- args: app_key, number on its receipt.
local function cancel(keys, args)
  local queue, refusal = open_for_applicant(keys, args)
  if refusal then return refusal end
  local key = args[3]
  local packed, name, field = find(queue, key)
  -- A key under another number is not the application of that receipt.
  if not packed or packed_number(packed) ~= tonumber(args[4]) then return { args[1], 'OK' } end
  local number, state = packed_number(packed), packed_state(packed)
  local outcome = outcome_of(queue, number, state)
  if queue.ending ~= 'settled' and state ~= 'X' then
    local after, withdraws = packed, state == 'W' and number > queue.admitted_through
    if withdraws then after, state = with_state(packed, 'X'), 'X' end
    local can_change = outcome == '' or parse_called(outcome) or string.sub(outcome, 1, 7) == 'ordered'
    if can_change and not is_in_inbox(queue, packed) then
      after = string.sub(after, 1, 13) .. post_to_inbox(queue, key, number, 'cancel')
    end
    if after ~= packed then redis.call('HSET', name, field, after) end
    packed = after
    if withdraws then
      redis.call('HDEL', queue.base .. 'c', key)
      add_to_block(queue, block_of(number), -1)
      save(queue, { waiting = queue.waiting - 1 })
    end
  end
  return { args[1], 'OK', number, STATE_CODES[state], outcome, cancel_requested(packed) }
end

-- Whether a called applicant has made this request before.
local function is_repeated(kind, flags)
  if kind == 'confirm' then return has_flag(flags, 'c') end
  return not has_flag(flags, 'c') and (has_flag(flags, 'x') or has_flag(flags, 'e'))
end

-- A called applicant confirms or requests more time. args: app_key, number on its receipt, confirm or extend. The reply has whether the
-- request is accepted, the time, and the application.
local function request_called(keys, args)
  local queue, refusal = open_for_applicant(keys, args)
  if refusal then return refusal end
  local key, kind, accepted = args[3], args[5], false
  local packed = find(queue, key)
  if not packed or packed_number(packed) ~= tonumber(args[4]) then return { args[1], 'OK' } end
  local number, state = packed_number(packed), packed_state(packed)
  local outcome = outcome_of(queue, number, state)
  local until_at, flags = parse_called(outcome)
  if until_at and is_repeated(kind, flags) then
    accepted = true
    -- As in `apply`: the reply waits until the request of another connection is durable.
    redis.call('HINCRBY', keys[2], 'barrier', 1)
  elseif until_at and queue.now < until_at and not has_flag(flags, 'c') and cancel_requested(packed) == 0 then
    accepted = true
    post_to_inbox(queue, key, number, kind)
    outcome = called_text(until_at, flags .. (kind == 'confirm' and 'c' or 'e'))
    redis.call('HSET', queue.base .. 'o', integer(number), outcome)
  end
  return {
    args[1], 'OK', accepted and 1 or 0, queue.now, number, STATE_CODES[state], outcome, cancel_requested(packed),
  }
end

-- The shop reports the result of a called applicant. args: app_key, number, ordered or released, order number. The reply has the
-- application before the report is decided.
local function report(keys, args)
  local queue, refusal = open_for_applicant(keys, args)
  if refusal then return refusal end
  local key = args[3]
  local packed = find(queue, key)
  if not packed or packed_number(packed) ~= tonumber(args[4]) then return { args[1], 'OK' } end
  local number, state = packed_number(packed), packed_state(packed)
  -- A settled event has its outcomes for good.
  if queue.ending ~= 'settled' then post_to_inbox(queue, key, number, args[5], nil, args[6]) end
  return { args[1], 'OK', number, STATE_CODES[state], outcome_of(queue, number, state), cancel_requested(packed) }
end

-- args: app_key, number on its receipt. A missing application is requested from the leader, once, unless its number belongs to
-- another application or was never given.
local function present_receipt(keys, args)
  local queue, refusal = open_for_applicant(keys, args)
  if refusal then return refusal end
  local key, number = args[3], tonumber(args[4])
  local packed = find(queue, key)
  if packed then
    number = packed_number(packed)
    local state = packed_state(packed)
    return { args[1], 'OK', number, STATE_CODES[state], outcome_of(queue, number, state), cancel_requested(packed) }
  end
  if queue.ending ~= 'settled' and number <= queue.seq and not key_with_number(queue, number) then
    if redis.call('HSET', queue.base .. 'p', key, integer(number)) == 1 then post_to_inbox(queue, key, number, 'present') end
  end
  return { args[1], 'OK' }
end

-- ---- writes of the processes that keep a journal

-- args: id. Asks the leader to register the journal. The reply has the loss that it was replayed for, as stored, the last loss, and
-- whether the event is settled.
local function journal(keys, args)
  local queue, refusal = open_for_applicant(keys, args)
  if refusal then return refusal end
  local name = queue.base .. 'j'
  if redis.call('HEXISTS', name, args[3]) == 0 then redis.call('HSET', name, args[3], '') end
  local replayed = redis.call('HGET', name, args[3])
  return { args[1], 'OK', replayed, queue.lost_epoch or 0, queue.ending == 'settled' and 1 or 0 }
end

-- Puts a confirmation of a journal into the inbox again. The ledger decides by the time at which it was first written. args: app_key,
-- number, that time.
local function replay_confirm(keys, args)
  local queue, refusal = open_for_applicant(keys, args)
  if refusal then return refusal end
  if queue.ending ~= 'settled' then post_to_inbox(queue, args[3], tonumber(args[4]), 'confirm', tonumber(args[5])) end
  return { args[1], 'OK' }
end

-- ---- writes of the leader

-- Takes over rev, settings, opens_at, closes_at, intake and applications_max from `args` on, except for times that took effect: the
-- queue gave a number or closed, or it was armed when the time came. A queue that was away then has not acted on it.
local function take_settings(queue, args, first, changes)
  local opens_at, closes_at = tonumber(args[first + 2]), tonumber(args[first + 3])
  if queue.seq > queue.skipped or (queue.armed and queue.now >= queue.opens_at) then opens_at = queue.opens_at end
  if queue.closed_at or (queue.armed and queue.now >= queue.closes_at) then closes_at = queue.closes_at end
  changes.rev, changes.settings = tonumber(args[first]), args[first + 1]
  changes.opens_at, changes.closes_at = opens_at, closes_at
  changes.intake, changes.applications_max = tonumber(args[first + 4]), tonumber(args[first + 5])
end

-- What arming finds stays in `reached` and `lost` until the leader has judged it: its reply may be lost, and the leader may end.
-- `reached` is the last number before the first arming that is not judged, and -1 once all are.
-- args: fence, epoch, number_limit, rev, settings, opens_at, closes_at, intake, applications_max, prefix_bits, continuity (0 unknown, 1 unopened, 2 whole).
local function arm(keys, args)
  local queue = load_queue(keys, args)
  close_if_due(queue)
  local fence, epoch = tonumber(args[3]), tonumber(args[4])
  local changes, lost = {}, regressed[queue.base] or queue.lost == 1
  if not queue.exists then
    lost = tonumber(args[5]) > 0
    queue.seq, queue.number_limit, queue.skipped, queue.gaps = 0, 0, 0, nil
    changes = {
      admitted_through = 0, waiting = 0, inbox_last = 0, rev = args[6], settings = args[7], opens_at = args[8],
      closes_at = tonumber(args[9]), intake = args[10], applications_max = args[11], prefix_bits = args[12], figures = '',
      figures_fence = 0, figures_round = 0, barrier = 0, lost_epoch = 0,
    }
  elseif fence < queue.fence then
    return { args[1], 'FENCED', queue.fence }
  elseif epoch <= queue.epoch then
    return { args[1], 'EPOCH', queue.epoch }
  elseif tonumber(args[6]) > queue.rev then
    take_settings(queue, args, 6, changes)
  end
  local unjudged = queue.reached and queue.reached >= 0
  changes.reached = unjudged and math.min(queue.reached, queue.seq) or queue.seq
  changes.lost = lost and 1 or 0
  local number_limit = math.max(queue.number_limit, tonumber(args[5]))
  local skipped = math.max(0, number_limit - queue.seq)
  -- Neither store has opened the event or knows of a number, so no application can have been accepted.
  local opens_at = math.min(changes.opens_at or queue.opens_at or 0, tonumber(args[8]))
  local unopened = args[13] == '1' and queue.seq == 0 and queue.now < opens_at
  if queue.exists and not lost and (unopened or args[13] == '2') then skipped = 0 end
  if skipped > 0 then
    local rest, last_from, last_to = string.match(queue.gaps or '', '^(.-),?(%d+)%-(%d+)$')
    local from = queue.seq + 1
    if last_to and tonumber(last_to) + 1 >= from then
      from = tonumber(last_from)
    else
      rest = queue.gaps or ''
    end
    changes.gaps = (rest == '' and '' or rest .. ',') .. integer(from) .. '-' .. integer(number_limit)
  end
  changes.skipped, changes.seq = queue.skipped + skipped, queue.seq + skipped
  -- Restored numbers may lie above every limit.
  changes.number_limit = changes.seq
  changes.epoch, changes.fence = epoch, fence
  save(queue, changes)
  queue.exists, queue.armed = true, true
  close_if_due(queue)
  armed_epochs[queue.base], regressed[queue.base], reported_numbers[queue.base] = epoch, nil, nil
  return { args[1], 'OK', queue.seq, skipped }
end

-- args: fence, rev, settings, opens_at, closes_at, intake, applications_max, state, number_limit, round, figures, settled_seq,
-- judged_epoch, lost_epoch, then number and text for q:{event}:o of each.
local function project(keys, args)
  local queue, refusal = open_fenced(keys, args, false)
  if refusal then return refusal end
  local changes = { number_limit = math.max(queue.number_limit, tonumber(args[11])) }
  if tonumber(args[4]) > queue.rev then take_settings(queue, args, 4, changes) end
  local fence, round = tonumber(args[3]), tonumber(args[12])
  if fence > queue.figures_fence or (fence == queue.figures_fence and round >= queue.figures_round) then
    changes.figures, changes.figures_fence, changes.figures_round = args[13], fence, round
  end
  local ending = queue.ending
  if ending == 'settled' or args[10] == 'settled' then
    ending = 'settled'
    if not queue.settled_seq then changes.settled_seq = tonumber(args[14]) end
  elseif args[10] == 'settling' then
    ending = 'settling'
  end
  changes.ending = ending
  if tonumber(args[15]) >= queue.epoch then changes.reached, changes.lost = -1, 0 end
  changes.lost_epoch = math.max(queue.lost_epoch or 0, tonumber(args[16]))
  save(queue, changes)
  if ending then close(queue, math.min(queue.now, queue.closes_at)) end
  local name = queue.base .. 'o'
  for i = 17, #args, 2 do
    local before, after = redis.call('HGET', name, args[i]), args[i + 1]
    local cancels_order = before and string.sub(before, 1, 7) == 'ordered' and string.sub(after, 1, 9) == 'cancelled'
    local was_called = parse_called(before)
    if was_called and parse_called(after) then after = merge_called(before, after) end
    if not before or was_called or cancels_order then redis.call('HSET', name, args[i], after) end
  end
  return { args[1], 'OK' }
end

-- Marks one application as admitted, and deletes what only a waiting one needs. Returns how many waited: one or none.
local function admit(queue, key)
  local packed, name, field = find(queue, key)
  local waited = 0
  if packed and packed_state(packed) == 'W' then
    packed = with_state(packed, 'A')
    redis.call('HSET', name, field, packed)
    add_to_block(queue, block_of(packed_number(packed)), -1)
    waited = 1
  end
  if packed and packed_state(packed) == 'A' then
    redis.call('HDEL', queue.base .. 'c', key)
    redis.call('ZREM', queue.base .. 'l', integer(packed_number(packed)))
  end
  return waited
end

-- Puts the applications that wait between two numbers into q:{event}:l.
local function keep_waiting(queue, from, to)
  local number = next_occupied(queue, from)
  while number and number <= to do
    local last = math.min(to, (block_of(number) + 1) * BLOCK)
    each_slot(queue, number, last, function(waiting, key)
      local packed = find(queue, key)
      if packed and packed_number(packed) == waiting and packed_state(packed) == 'W' then
        redis.call('ZADD', queue.base .. 'l', waiting, integer(waiting))
      end
    end)
    number = next_occupied(queue, last + 1)
  end
end

-- args: fence, through, the ledger's count of changes, app_keys.
local function admitted(keys, args)
  local queue, refusal = open_fenced(keys, args, true)
  if refusal then return refusal end
  local waited = 0
  for i = 6, #args do
    waited = waited + admit(queue, args[i])
  end
  local through = math.min(tonumber(args[4]), queue.seq)
  -- A waiting application that is not among the keys must be found again at or below admitted_through.
  keep_waiting(queue, queue.admitted_through + 1, through)
  save(queue, {
    admitted_through = math.max(through, queue.admitted_through), waiting = queue.waiting - waited,
    ledger_changes = math.max(tonumber(args[5]), queue.ledger_changes or 0),
  })
  return { args[1], 'OK' }
end

-- args: fence, through, the ledger's count of changes.
local function acknowledge(keys, args)
  local queue, refusal = open_fenced(keys, args, true)
  if refusal then return refusal end
  save(queue, { ledger_changes = math.max(tonumber(args[5]), queue.ledger_changes or 0) })
  redis.call('XTRIM', queue.base .. 'i', 'MINID', integer(tonumber(args[4]) + 1) .. '-0')
  return { args[1], 'OK' }
end

-- Adds what an application lacks that was restored from its receipt, which has neither secret nor contact; only a waiting one needs
-- its contact.
local function complete(queue, packed, name, field, key, secret, contact)
  if string.sub(packed, 6, 13) == NO_SECRET and secret ~= NO_SECRET then
    redis.call('HSET', name, field, string.sub(packed, 1, 5) .. secret .. string.sub(packed, 14))
  end
  if packed_state(packed) == 'W' and contact ~= '' and redis.call('HEXISTS', queue.base .. 'c', key) == 0 then
    redis.call('HSET', queue.base .. 'c', key, contact)
  end
end

-- Returns false if the queue has the key under another number or the number under another key.
local function restore_one(queue, number, key, secret, state, contact)
  redis.call('HDEL', queue.base .. 'p', key)
  local packed, name, field = find(queue, key)
  if packed and packed_number(packed) ~= number then return false end
  if not packed and key_with_number(queue, number) then return false end
  -- Before the application itself, so that no number above `seq` is ever in use.
  if number > queue.seq then save(queue, { seq = number }) end
  if queue.closed_seq and number > queue.closed_seq then save(queue, { closed_seq = number }) end
  if packed then
    complete(queue, packed, name, field, key, secret, contact)
    if state == 'A' and packed_state(packed) == 'W' then save(queue, { waiting = queue.waiting - admit(queue, key) }) end
    return true
  end
  if state == 'W' then add_to_block(queue, block_of(number), 1) end
  write_slots(queue, number, { key })
  if state == 'W' then
    if contact ~= '' then redis.call('HSET', queue.base .. 'c', key, contact) end
    if number <= queue.admitted_through then redis.call('ZADD', queue.base .. 'l', number, integer(number)) end
  end
  redis.call('HSET', name, field, pack(number, state, secret))
  if state == 'W' then save(queue, { waiting = queue.waiting + 1 }) end
  return true
end

-- args: fence, then number, app_key, reqhash, state, contact of each. The reply counts the conflicts.
local function restore(keys, args)
  local queue, refusal = open_fenced(keys, args, false)
  if refusal then return refusal end
  local conflicts = 0
  for i = 4, #args, 5 do
    if not restore_one(queue, tonumber(args[i]), args[i + 1], args[i + 2], args[i + 3], args[i + 4]) then
      conflicts = conflicts + 1
    end
  end
  return { args[1], 'OK', conflicts }
end

-- Tells the leader, before it arms the queue, what a process got from the queue. args: id of its journal, its last number.
local function report_number(keys, args)
  local queue, refusal = open_for_reader(keys, args)
  if refusal then return refusal end
  local reported = reported_numbers[queue.base] or {}
  reported[args[3]] = math.max(reported[args[3]] or 0, tonumber(args[4]))
  reported_numbers[queue.base] = reported
  return { args[1], 'OK' }
end

-- Gives the queue back what a journal has. args: id, lost_epoch, whether this is the last part, then number, app_key, reqhash,
-- contact of each. The reply has whether the queue still asks for this replay, and counts the conflicts.
local function replay(keys, args)
  local queue, refusal = open_for_applicant(keys, args)
  if refusal then return refusal end
  local lost_epoch = tonumber(args[4])
  if lost_epoch ~= queue.lost_epoch then return { args[1], 'OK', 0, 0 } end
  local conflicts = 0
  for i = 6, #args, 4 do
    if not restore_one(queue, tonumber(args[i]), args[i + 1], args[i + 2], 'W', args[i + 3]) then
      conflicts = conflicts + 1
    end
  end
  if args[5] == '1' then redis.call('HSET', queue.base .. 'j', args[3], integer(lost_epoch)) end
  return { args[1], 'OK', 1, conflicts }
end

-- args: fence, gaps, count of the numbers in them.
local function replace_gaps(keys, args)
  local queue, refusal = open_fenced(keys, args, true)
  if refusal then return refusal end
  save(queue, { gaps = args[4], skipped = tonumber(args[5]) })
  return { args[1], 'OK' }
end

-- args: fence, then the ids of journals that the ledger knows.
local function keep_journals(keys, args)
  local queue, refusal = open_fenced(keys, args, true)
  if refusal then return refusal end
  for i = 4, #args do
    if redis.call('HGET', queue.base .. 'j', args[i]) == '' then redis.call('HSET', queue.base .. 'j', args[i], 0) end
  end
  return { args[1], 'OK' }
end

-- args: fence.
local function settle(keys, args)
  local queue, refusal = open_fenced(keys, args, true)
  if refusal then return refusal end
  close(queue, math.min(queue.now, queue.closes_at))
  return { args[1], 'OK', queue.closed_seq, queue.closed_at, queue.closed_inbox }
end

-- args: the events.
local function publish(keys, args)
  local is_published, fields = {}, {}
  for i = 3, #args do
    is_published[args[i]] = true
    fields[#fields + 1] = args[i]
    fields[#fields + 1] = ''
  end
  if #fields > 0 then redis.call('HSET', keys[1], unpack(fields)) end
  for _, event in ipairs(redis.call('HKEYS', keys[1])) do
    if not is_published[event] then redis.call('HDEL', keys[1], event) end
  end
  catalogue_armed = true
  return { args[1], 'OK' }
end

-- ---- reads of every role

local function catalogue(keys, args)
  if not catalogue_armed then return { args[1], 'UNARMED' } end
  return { args[1], 'OK', unpack(redis.call('HKEYS', keys[1])) }
end

-- args: highest number acknowledged to the caller.
local function snapshot(keys, args)
  local queue, refusal = open_for_reader(keys, args)
  if refusal then return refusal end
  local acknowledged = tonumber(args[3])
  if queue.armed and has_regressed(queue, acknowledged) then disarm(queue) end
  local values = redis.call('HMGET', keys[2], unpack(SNAPSHOT_FIELDS))
  local is_armed = armed_epochs[queue.base] == queue.epoch
  return { args[1], 'OK', is_armed and 1 or 0, queue.now, unpack(values, 1, #SNAPSHOT_FIELDS) }
end

-- args: app_key.
local function entry(keys, args)
  local queue, refusal = open_for_reader(keys, args)
  if refusal then return refusal end
  local packed = find(queue, args[3])
  if not packed then return { args[1], queue.armed and 'OK' or 'UNARMED' } end
  local number, state = packed_number(packed), packed_state(packed)
  return { args[1], 'OK', number, STATE_CODES[state], outcome_of(queue, number, state), cancel_requested(packed) }
end

-- args: number.
local function app_key_of(keys, args)
  local queue, refusal = open_for_reader(keys, args)
  if refusal then return refusal end
  local key = key_with_number(queue, tonumber(args[3]))
  if not key then return { args[1], queue.armed and 'OK' or 'UNARMED' } end
  return { args[1], 'OK', key }
end

-- args: number to start above, maximum count. The reply has the last number examined and the last number given, then number,
-- app_key, state, outcome, whether a cancel was requested of each application.
local function entries(keys, args)
  local queue, refusal = open_for_reader(keys, args)
  if refusal then return refusal end
  local after, max = tonumber(args[3]), tonumber(args[4])
  local through = math.min(queue.seq, after + SCAN_MAX)
  local found, numbers = {}, {}
  each_slot(queue, after + 1, through, function(number, key)
    local packed = find(queue, key)
    if packed and packed_number(packed) == number then
      found[#found + 1] = { number, key, packed_state(packed), cancel_requested(packed) }
      numbers[#numbers + 1] = integer(number)
      if #found >= max then
        through = number
        return true
      end
    end
  end)
  local reply = { args[1], 'OK', through, queue.seq }
  local outcomes = #numbers > 0 and redis.call('HMGET', queue.base .. 'o', unpack(numbers)) or {}
  for i, application in ipairs(found) do
    local at, number, state = #reply, application[1], application[3]
    reply[at + 1], reply[at + 2], reply[at + 3] = number, application[2], STATE_CODES[state]
    reply[at + 4], reply[at + 5] = outcome_from(queue, number, state, outcomes[i]), application[4]
  end
  return reply
end

-- ---- reads of the leader

-- args: maximum count. The reply has the last number examined, then number, app_key, reqhash, contact of each waiting application.
local function head(keys, args)
  local queue, refusal = open_for_leader(keys, args)
  if refusal then return refusal end
  local max, through, numbers, waiting, secrets = tonumber(args[3]), queue.admitted_through, {}, {}, {}
  local function add_waiting(number, key)
    local packed = find(queue, key)
    if packed and packed_number(packed) == number and packed_state(packed) == 'W' then
      numbers[#numbers + 1] = number
      waiting[#waiting + 1] = key
      secrets[#secrets + 1] = string.sub(packed, 6, 13)
    end
    return #numbers >= max
  end
  if max > 0 then
    for _, late in ipairs(redis.call('ZRANGE', queue.base .. 'l', 0, max - 1)) do
      local key = key_with_number(queue, tonumber(late))
      if key then add_waiting(tonumber(late), key) end
    end
    if #numbers < max then
      local from = next_occupied(queue, queue.admitted_through + 1)
      through = from and math.min(queue.seq, from + BLOCK - 1) or queue.seq
      if from then each_slot(queue, from, through, add_waiting) end
    end
    if #numbers >= max then through = math.max(queue.admitted_through, numbers[#numbers]) end
  end
  local reply = { args[1], 'OK', through }
  local contacts = #waiting > 0 and redis.call('HMGET', queue.base .. 'c', unpack(waiting)) or {}
  for i, number in ipairs(numbers) do
    local at = #reply
    reply[at + 1], reply[at + 2], reply[at + 3], reply[at + 4] = number, waiting[i], secrets[i], contacts[i] or ''
  end
  return reply
end

-- The reply has id and loss, as stored, of each journal.
local function journals(keys, args)
  local queue, refusal = open_for_leader(keys, args)
  if refusal then return refusal end
  return { args[1], 'OK', unpack(redis.call('HGETALL', queue.base .. 'j')) }
end

-- The reply has id and last number of each process that has reported since the last arming.
local function reports(keys, args)
  local queue, refusal = open_for_reader(keys, args)
  if refusal then return refusal end
  local reply = { args[1], 'OK' }
  for id, number in pairs(reported_numbers[queue.base] or {}) do
    reply[#reply + 1] = id
    reply[#reply + 1] = number
  end
  return reply
end

-- args: position to start above, maximum count. The reply has position, time, app_key, number, kind, order number of
-- each request.
local function inbox(keys, args)
  local queue, refusal = open_for_leader(keys, args)
  if refusal then return refusal end
  local reply = { args[1], 'OK' }
  local from = integer(tonumber(args[3]) + 1)
  for _, request in ipairs(redis.call('XRANGE', queue.base .. 'i', from, '+', 'COUNT', args[4])) do
    local at, pairs_in_entry, fields = #reply, request[2], {}
    for i = 1, #pairs_in_entry, 2 do
      fields[pairs_in_entry[i]] = pairs_in_entry[i + 1]
    end
    reply[at + 1] = string.match(request[1], '^%d+')
    reply[at + 2], reply[at + 3], reply[at + 4], reply[at + 5] = fields.a, fields.k, fields.n, fields.t
    reply[at + 6] = fields.o or ''
  end
  return reply
end

-- ---- canaries: every inner command of a role, on keys that no event has, so that a missing right is found at the start

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
  redis.call('SETRANGE', CANARY .. 'w:0', 0, NO_KEY)
  redis.call('XADD', CANARY .. 'i', '*', 'n', 0)
  redis.call('ZADD', CANARY .. 'l', 1, 1)
  redis.call('UNLINK', CANARY .. 'm', CANARY .. 'w:0', CANARY .. 'i', CANARY .. 'l')
  return 'OK'
end

local function canary_worker(keys)
  canary_signup(keys)
  redis.call('XADD', CANARY .. 'i', '*', 'n', 0)
  redis.call('XTRIM', CANARY .. 'i', 'MINID', '1-0')
  redis.call('HGETALL', CANARY .. 'j')
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

-- Without a flag, a function is refused as a whole while the memory is full. The functions that drain a full queue have the flag.
register('apply', {}, apply)
register('restore', { 'allow-oom' }, restore)
register('replay', { 'allow-oom' }, replay)
register('journal', { 'allow-oom' }, journal)
register('canary_signup', { 'allow-oom' }, canary_signup)
register('canary_worker', { 'allow-oom' }, canary_worker)
register('cancel', { 'allow-oom' }, cancel)
register('request_called', { 'allow-oom' }, request_called)
register('report', { 'allow-oom' }, report)
register('replay_confirm', { 'allow-oom' }, replay_confirm)
register('present_receipt', { 'allow-oom' }, present_receipt)
register('arm', { 'allow-oom' }, arm)
register('project', { 'allow-oom' }, project)
register('admitted', { 'allow-oom' }, admitted)
register('acknowledge', { 'allow-oom' }, acknowledge)
register('replace_gaps', { 'allow-oom' }, replace_gaps)
register('keep_journals', { 'allow-oom' }, keep_journals)
register('settle', { 'allow-oom' }, settle)
register('publish', { 'allow-oom' }, publish)
register('catalogue', { 'no-writes' }, catalogue)
register('snapshot', { 'no-writes' }, snapshot)
register('entry', { 'no-writes' }, entry)
register('app_key_of', { 'no-writes' }, app_key_of)
register('entries', { 'no-writes' }, entries)
register('head', { 'no-writes' }, head)
register('journals', { 'no-writes' }, journals)
register('reports', { 'no-writes' }, reports)
register('report_number', { 'no-writes' }, report_number)
register('inbox', { 'no-writes' }, inbox)
register('canary_read', { 'no-writes' }, canary_read)
register('canary_gateway', { 'no-writes' }, canary_gateway)
