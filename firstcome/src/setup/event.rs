//! Events in the settings. They are the first rev of an event; afterwards only the ledger counts.

use domain::event::{BadSettings, CALLED_FOR_MS, CAPACITY_MAX, EXTENSION_MAX_MS, IN_FLIGHT_MAX, Text};
use domain::look::{BadLook, PRODUCT_PRICE_MAX};
use domain::{EventSettings, Kind, Look, Millis, Pace, Release};
use service::config::Part;

/// One `[[event]]` table; `None` if it has no usable id or pace, which is then among the mistakes.
pub(super) fn read(part: &mut Part<'_>, now: Millis) -> Option<EventSettings> {
    let id = part.required("id");
    let pace = part.parse::<Pace>("pace", "10");
    let kind = part.parse::<Kind>("kind", "order");
    let capacity = whole(part, "capacity", CAPACITY_MAX, 100);
    let title = Text { ko: part.required_text("title_ko"), en: part.required_text("title_en") };
    let mut settings = EventSettings {
        // Reading continues without an id, so that the other mistakes are reported too.
        id: NO_ID.parse().unwrap_or_else(|_| unreachable!("it is an event id")),
        title,
        kind,
        called_for_ms: part.duration_ms("called_for", 600_000, CALLED_FOR_MS),
        extension_ms: part.duration_ms("extension", 300_000, 0..=EXTENSION_MAX_MS),
        pass_target: part.text("pass_target", ""),
        capacity,
        opens_at: part.time("opens_at", now),
        closes_at: part.time("closes_at", now),
        intake: part.flag("intake", true),
        release: if part.flag("release", true) { Release::Running } else { Release::Paused },
        pace,
        in_flight_max: whole(part, "in_flight_max", IN_FLIGHT_MAX, 20),
        applications_max: whole(part, "applications_max", CAPACITY_MAX, 1_000_000),
        announcement: both_languages(part, ["announcement_ko", "announcement_en"]),
        look: look(part),
        settle_after_close: part.flag("settle_after_close", true),
        diverts: part.texts("diverts"),
        identity: part.parse("identity", "open"),
        auto_pace: None,
        pepper: part.text("pepper", "k1"),
    };
    for mistake in settings.mistakes() {
        part.mistake(key_of(mistake), &mistake.to_string());
    }
    settings.id = id?;
    Some(settings)
}

fn look(part: &mut Part<'_>) -> Look {
    Look {
        description: both_languages(part, ["description_ko", "description_en"]),
        color: part.text("color", ""),
        picture_url: part.text("picture_url", ""),
        product_name: both_languages(part, ["product_name_ko", "product_name_en"]),
        product_price: u32::try_from(part.integer("product_price", 0..=i64::from(PRODUCT_PRICE_MAX), 0))
            .unwrap_or(0),
        product_url: part.text("product_url", ""),
    }
}

/// A text that may be empty.
fn both_languages(part: &mut Part<'_>, [ko, en]: [&str; 2]) -> Text {
    Text { ko: part.text(ko, ""), en: part.text(en, "") }
}

/// A placeholder for a missing or invalid id. Such an event is never created.
const NO_ID: &str = "x";

fn whole(part: &mut Part<'_>, key: &str, most: u32, default: u32) -> u32 {
    u32::try_from(part.integer(key, 1..=i64::from(most), i64::from(default))).unwrap_or(default)
}

/// The key of the mistake in the settings.
fn key_of(mistake: BadSettings) -> &'static str {
    match mistake {
        BadSettings::Capacity => "capacity",
        BadSettings::InFlight => "in_flight_max",
        BadSettings::Applications => "applications_max",
        BadSettings::Times => "closes_at",
        BadSettings::Text => "title_ko",
        BadSettings::Look(BadLook::Description) => "description_ko",
        BadSettings::Look(BadLook::Color) => "color",
        BadSettings::Look(BadLook::Picture) => "picture_url",
        BadSettings::Look(BadLook::Product) => "product_name_ko",
        BadSettings::Diverts => "diverts",
        BadSettings::AutoPace => "auto_pace",
        BadSettings::CalledFor => "called_for",
        BadSettings::Extension => "extension",
        BadSettings::PassTarget => "pass_target",
    }
}

/// The event of the demo. It is small and slow enough to watch it sell out.
pub fn demo_event(opens_at: Millis) -> EventSettings {
    let id = "demo".parse().unwrap_or_else(|_| unreachable!("'demo' is an event id"));
    let title = Text::new("봄맞이 특가 세트", "Spring special set");
    EventSettings {
        pace: "4".parse().unwrap_or_else(|_| unreachable!("4 is a pace")),
        in_flight_max: 10,
        diverts: vec!["/products/4".into()],
        ..EventSettings::new(id, title, opens_at, opens_at + 3_600_000)
    }
}
