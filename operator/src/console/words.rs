//! States, fields and changes in words.

use domain::{EventState, Release};
use ledger::AuditAction;
use serde_json::Value;
use service::Language;

use super::format;
use super::messages::Messages;
use crate::response::{ChangeResponse, Effect};
use crate::timestamp;

pub(super) fn state(t: &Messages, state: EventState) -> &'static str {
    match state {
        EventState::Scheduled => t.scheduled,
        EventState::Open => t.open,
        EventState::Closed => t.closed,
        EventState::Settling => t.settling,
        EventState::Settled => t.settled,
    }
}

pub(super) fn release(t: &Messages, release: Release) -> &'static str {
    match release {
        Release::Running => t.running,
        Release::Paused => t.paused,
        Release::Draining => t.draining,
    }
}

/// The name of a field; of an unknown one, the field itself.
pub(super) fn field<'a>(t: &'a Messages, name: &'a str) -> &'a str {
    match name {
        "pace" => t.pace,
        "auto_pace" => t.auto_pace,
        "in_flight_max" => t.in_flight_max,
        "capacity" => t.capacity,
        "announcement" => t.announcement,
        "release" => t.release,
        "intake" => t.intake,
        "opens_at" => t.opens_at,
        "closes_at" => t.closes_at,
        "title" => t.title,
        "description" => t.description,
        "color" => t.color,
        "picture_url" => t.picture_url,
        "product_name" => t.product_name,
        "product_price" => t.product_price,
        "product_url" => t.product_url,
        "applications_max" => t.applications_max,
        "settle_after_close" => t.settle_after_close,
        "diverts" => t.diverts,
        "pass_target" => t.pass_target,
        "called_for_ms" => t.called_for,
        "extension_ms" => t.extension,
        "kind" => t.kind,
        "state" => t.state,
        "number" => t.number,
        "id" => t.event_id,
        "reason" => t.reason,
        other => other,
    }
}

/// A value of a field.
pub(super) fn value(t: &Messages, language: Language, name: &str, value: &Value) -> String {
    match (name, value) {
        ("auto_pace", rules) => auto_pace(t, rules),
        (_, Value::Null) => "–".to_owned(),
        ("intake", Value::Bool(on)) => if *on { t.intake_on } else { t.intake_off }.to_owned(),
        (_, Value::Bool(on)) => if *on { t.yes } else { t.no }.to_owned(),
        ("release", Value::String(word)) => match word.as_str() {
            "running" => t.running.to_owned(),
            "paused" => t.paused.to_owned(),
            "draining" => t.draining.to_owned(),
            other => other.to_owned(),
        },
        ("state", Value::String(word)) => {
            EventState::parse(word).map_or_else(|| word.clone(), |known| state(t, known).to_owned())
        }
        ("opens_at" | "closes_at" | "recover_until", Value::String(at)) => {
            timestamp::parse(at).map_or_else(|| at.clone(), |at| format::date(at, language))
        }
        ("pace", Value::String(pace)) => format!("{pace}{}", t.per_s),
        ("called_for_ms" | "extension_ms", Value::Number(ms)) => {
            format::duration(t, ms.as_u64().unwrap_or(0) / 1000)
        }
        (_, Value::String(text)) => text.clone(),
        (_, Value::Number(number)) => number.as_u64().map_or_else(|| number.to_string(), format::number),
        (_, Value::Array(items)) if items.is_empty() => "–".to_owned(),
        (_, Value::Array(items)) => {
            items.iter().map(|item| item.as_str().unwrap_or_default()).collect::<Vec<_>>().join(" ")
        }
        (_, Value::Object(texts)) => {
            let text = |tag: &str| texts.get(tag).and_then(Value::as_str).filter(|text| !text.is_empty());
            [text("ko"), text("en")].into_iter().flatten().collect::<Vec<_>>().join(" | ")
        }
    }
}

/// The rules of the automatic pace.
fn auto_pace(t: &Messages, rules: &Value) -> String {
    let Some(target_ms) = rules["target_p95_ms"].as_u64() else { return t.intake_off.to_owned() };
    let pace = |name: &str| rules[name].as_str().unwrap_or_default();
    let latency = format::latency(u32::try_from(target_ms).unwrap_or(u32::MAX));
    format!("{}–{}{}, p95 ≤ {latency}", pace("min"), pace("max"), t.per_s)
}

/// The action of a change.
pub(super) fn action(t: &Messages, action: AuditAction) -> &'static str {
    match action {
        AuditAction::Create => t.new_event,
        AuditAction::Clone => t.clone_event,
        AuditAction::Open => t.open_now,
        AuditAction::Close => t.close_now,
        AuditAction::Settle => t.settle,
        AuditAction::Pause => t.pause,
        AuditAction::Resume => t.resume,
        AuditAction::Drain => t.drain,
        AuditAction::Pace | AuditAction::AdjustPace => t.pace,
        AuditAction::AutoPace => t.auto_pace,
        AuditAction::InFlightMax => t.in_flight_max,
        AuditAction::Capacity => t.capacity,
        AuditAction::Announcement => t.announcement,
        AuditAction::AcceptRecovery => t.accept,
        AuditAction::Unfreeze => t.unfreeze,
        AuditAction::Retry => t.retry,
        AuditAction::Reject => t.reject,
        AuditAction::Undo => t.undo,
        AuditAction::Replay => t.replay,
        AuditAction::CreateWebhook
        | AuditAction::UpdateWebhook
        | AuditAction::PauseWebhook
        | AuditAction::ResumeWebhook
        | AuditAction::RotateWebhook
        | AuditAction::DeleteWebhook
        | AuditAction::DisableWebhook
        | AuditAction::ReplayWebhook => t.webhook,
        AuditAction::Update | AuditAction::KeepTimes | AuditAction::AdoptSettings => t.review_title,
    }
}

/// A change in one line: its fields before and after. A new event has too many fields; there the action says it.
pub(super) fn change(t: &Messages, language: Language, change: &ChangeResponse) -> String {
    let named = change.action.parse::<AuditAction>().map_or("", |known| action(t, known));
    if matches!(change.action.as_str(), "create" | "clone") {
        return named.to_owned();
    }
    let fields = change.after.as_object().into_iter().flatten().map(|(name, after)| {
        let before = &change.before[name.as_str()];
        let label = field(t, name);
        let after_text = value(t, language, name, after);
        if before == after {
            return format!("{label} {after_text}");
        }
        let before_text = value(t, language, name, before);
        let empty = |text: String| if text.is_empty() { "–".to_owned() } else { text };
        format!("{label} {} → {}", empty(before_text), empty(after_text))
    });
    let fields = fields.collect::<Vec<_>>().join(", ");
    match change.action.as_str() {
        "undo" | "retry" | "reject" | "replay" | "open" | "close" | "settle" | "accept_recovery"
        | "unfreeze" => {
            format!("{named}: {fields}")
        }
        _ => fields,
    }
}

/// An effect in words.
pub(super) fn effect(t: &Messages, effect: &Effect) -> String {
    use super::messages::fill;
    let number = |n: u32| format::number(n);
    let time = |s: Option<u64>| s.map_or_else(|| t.none_called.to_owned(), |s| format::duration(t, s));
    match effect {
        Effect::Remaining { before_s, after_s } => {
            fill(t.e_remaining, &[("b", &time(*before_s)), ("a", &time(*after_s))])
        }
        Effect::KeepPlace { waiting } => fill(t.e_keep, &[("n", &number(*waiting))]),
        Effect::Finish { in_flight } => fill(t.e_finish, &[("n", &number(*in_flight))]),
        Effect::InRange { before, after } => {
            fill(t.e_range, &[("b", &number(*before)), ("a", &number(*after))])
        }
        Effect::SoldOut { waiting } => fill(t.e_soldout, &[("n", &number(*waiting))]),
        Effect::IntakeHeld => t.e_held.to_owned(),
        Effect::IntakeResumed => t.e_resumed.to_owned(),
        Effect::ClosesEarly { by_s } => {
            fill(t.e_early, &[("t", &format::duration(t, u64::try_from(*by_s).unwrap_or(0)))])
        }
        Effect::Shown { waiting } => fill(t.e_shown, &[("n", &number(*waiting))]),
        Effect::LimitedByInFlight { calls_per_s } => fill(t.e_limited, &[("n", &number(*calls_per_s))]),
        Effect::MoreThanDouble => t.e_double.to_owned(),
        Effect::AutoPaceEnds => t.e_auto_ends.to_owned(),
        Effect::PaceFollows => t.e_follows.to_owned(),
        Effect::StartsAtMin { pace } => fill(t.e_min, &[("n", pace)]),
        Effect::MayOvertake => t.e_overtake.to_owned(),
        Effect::ContradictionStays => t.e_contradiction.to_owned(),
        Effect::Final => t.e_final.to_owned(),
    }
}

/// What happened to an application, or its state; of an unknown word, the word itself.
pub(super) fn happened<'a>(t: &'a Messages, what: &'a str) -> &'a str {
    match what.strip_prefix("application.").unwrap_or(what) {
        "waiting" => t.waiting,
        "admitted" => t.admitted,
        "called" => t.called,
        "confirmed" => t.confirmed,
        "ordering" | "undoing" => t.under_way,
        "ordered" => t.ordered,
        "cancel_requested" => t.cancel_requested,
        "cancelled" => t.cancelled,
        "rejected" => t.rejected,
        "expired" => t.expired,
        "sold_out" => t.sold_out,
        "parked" => t.parked,
        "order_refused" => t.order_refused,
        "retry" => t.retry,
        "reject" => t.reject,
        other => other,
    }
}

/// A party that decided; of anything else, the text itself.
pub(super) fn party<'a>(t: &'a Messages, detail: &'a str) -> &'a str {
    match detail {
        "applicant" => t.by_applicant,
        "operator" => t.by_operator,
        "order_service" => t.by_order_service,
        "shop" => t.by_shop,
        other => other,
    }
}

/// The reason of a step of the automatic pace, which the ledger has in English.
pub(super) fn pace_reason(language: Language, reason: &str) -> String {
    if language == Language::English {
        return reason.to_owned();
    }
    pace_reason_in_korean(reason).unwrap_or_else(|| reason.to_owned())
}

fn pace_reason_in_korean(reason: &str) -> Option<String> {
    let seconds = |text: &str| text.replace(" s", "초");
    let Some(latency) = reason.strip_prefix("order p95 ") else {
        let (unclear, calls) =
            reason.strip_suffix(" order calls without a clear response")?.split_once(" of ")?;
        return Some(format!("주문 호출 {calls}건 중 {unclear}건의 응답이 불명확합니다."));
    };
    if let Some((p95, target)) = latency.split_once(" over ") {
        return Some(format!("주문 p95 {}가 목표 {}보다 느립니다.", seconds(p95), seconds(target)));
    }
    let (p95, target) = latency.split_once(" within ")?;
    Some(format!("주문 p95 {}로 목표 {} 안에 있습니다.", seconds(p95), seconds(target)))
}

/// Why a state does not allow a change. The ledger has the reasons in English.
pub(super) fn reason(language: Language, why: &str) -> &str {
    if language == Language::English {
        return why;
    }
    match why {
        "it has opened already" => "이미 열렸습니다.",
        "it opens at its time within two seconds" => "2초 안에 예정대로 열립니다.",
        "it closes at its time within two seconds" => "2초 안에 예정대로 마감합니다.",
        "it is closed already, for good" => "이미 마감했습니다. 마감은 되돌릴 수 없습니다.",
        "it is not open yet; hold its intake, or move its times" => {
            "아직 열리지 않았습니다. 접수를 멈추거나 시각을 옮기세요."
        }
        "it can be settled once it is closed" => "마감한 뒤에 정산할 수 있습니다.",
        "it is frozen: examine the reason, then unfreeze it" => {
            "동결 상태입니다. 원인을 확인하고 동결을 푼 뒤에 다시 하세요."
        }
        "opens_at must be in the future; to open it now, use open" => {
            "여는 시각은 미래여야 합니다. 지금 열려면 '지금 열기'를 쓰세요."
        }
        "closes_at must be in the future; to close it now, use close" => {
            "마감 시각은 미래여야 합니다. 지금 마감하려면 '지금 마감'을 쓰세요."
        }
        "only the texts and the look of a settled event can change" => {
            "정산이 끝난 이벤트는 문구와 화면만 바꿀 수 있습니다."
        }
        "this change cannot be undone" => "이 변경은 되돌릴 수 없습니다.",
        other => other,
    }
}
