//! The arguments of `firstcome event`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use domain::{EventId, Identity, Kind, Millis, Pace};
use serde_json::{Value, json};

use super::super::client::{ChangeArgs, OperatorArgs};

#[derive(Debug, Args)]
pub(in crate::command) struct EventArgs {
    #[command(flatten)]
    pub(super) operator: OperatorArgs,
    #[command(subcommand)]
    pub(super) command: EventCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum EventCommand {
    /// Creates an event. It opens and closes automatically at its times.
    #[command(
        after_help = "Example:\n  firstcome event create spring --title-ko '봄맞이 특가' --title-en 'Spring special' \\\n    --capacity 1000 --opens-at 2026-11-29T20:00:00+09:00 --closes-at 2026-11-29T21:00:00+09:00 --pace 20"
    )]
    Create(Box<CreateEvent>),
    /// Lists all events, one per line.
    List,
    /// Shows one event: its settings, its seats and the state of its queue.
    Get {
        /// The event's id.
        event: EventId,
    },
    /// Shows how many applications ended how. Every number that the queue gave is in one of the sums.
    Result {
        /// The event's id.
        event: EventId,
    },
    /// Writes the result as CSV: a line for each application of the ledger, without personal data. The last line, with `#`, has the sums.
    Export {
        /// The event's id.
        event: EventId,
        /// The file to write; without it, standard output.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Begins the file with a byte order mark, by which Excel recognizes UTF-8.
        #[arg(long)]
        bom: bool,
    },
    /// Changes title, look, times, paths or intake. Other settings stay as they are.
    Update(Box<UpdateEvent>),
    /// Creates an event with the settings of another, except its times and its announcement.
    Clone(CloneEvent),
    /// Opens an event now, before its time.
    Open(ChangeArgs),
    /// Closes an event now, permanently. Applications in the queue are still processed.
    Close(PermanentChangeArgs),
    /// Settles a closed event: once no order is in flight, applications that still wait end as sold out.
    Settle(PermanentChangeArgs),
}

#[derive(Debug, Args)]
pub(super) struct CreateEvent {
    /// The event's id, used in addresses and receipts, and never changed: 1 to 40 of a-z, 0-9 and '-', such as spring or outlet-2026.
    pub(super) event: EventId,
    /// The title on the Korean page, such as '봄맞이 특가'.
    #[arg(long, value_name = "TEXT")]
    pub(super) title_ko: String,
    /// The title on the English page, such as 'Spring special'.
    #[arg(long, value_name = "TEXT")]
    pub(super) title_en: String,
    /// What happens to an application that is admitted: order makes the order at once; with confirm the applicant has to
    /// confirm first; with pass the applicant orders at the shop.
    #[arg(long, value_name = "KIND")]
    pub(super) kind: Option<Kind>,
    /// With kind pass, the shop's page for called applicants, such as <https://shop.example.com/order/spring>.
    #[arg(long, value_name = "URL", required_if_eq("kind", "pass"))]
    pub(super) pass_target: Option<String>,
    /// How long a called applicant has, such as 10m; the default is ten minutes.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) called_for: Option<Millis>,
    /// By how much a called applicant may extend that time, once, such as 5m; 0s allows none, and the default is five minutes.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) extension: Option<Millis>,
    /// The number of seats, such as 1000. It can be raised later, and lowered by the number of free seats.
    #[arg(long, value_name = "N")]
    pub(super) capacity: u32,
    /// When applying becomes possible: 2026-11-29T20:00:00+09:00, or +10m for ten minutes from now (s, m, h, d).
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) opens_at: Millis,
    /// When applying ends, permanently: 2026-11-29T21:00:00+09:00, or +2h for two hours from now.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) closes_at: Millis,
    /// Order calls started per second, such as 20 or 0.5: a rate that your order service handles easily.
    #[arg(long, value_name = "RATE")]
    pub(super) pace: Pace,
    /// The maximum number of order calls of this event in flight, over all workers, such as 40; the default is 20.
    #[arg(long, value_name = "N")]
    pub(super) in_flight_max: Option<u32>,
    /// The most applications, at least the capacity; the default is 1000000.
    #[arg(long, value_name = "N")]
    pub(super) applications_max: Option<u32>,
    /// The announcement on the Korean page, such as '배송은 12월 첫 주에 시작해요'.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) announcement_ko: String,
    /// The announcement on the English page.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) announcement_en: String,
    #[command(flatten)]
    pub(super) look: LookArgs,
    /// A path of the shop that is diverted to the event's page while the event runs, such as /products/spring. May be repeated.
    #[arg(long = "divert", value_name = "PATH")]
    pub(super) diverts: Vec<String>,
    /// Who an applicant is: open, by a phone number that is not verified, or member, by the shop's token. It cannot be changed.
    #[arg(long, value_name = "open|member", default_value = "open")]
    pub(super) identity: Identity,
    /// Whether the event settles automatically once it is closed and no order is in flight: true or false.
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, default_value_t = true)]
    pub(super) settle_after_close: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("changes").required(true).multiple(true))]
pub(super) struct UpdateEvent {
    /// The event's id.
    pub(super) event: EventId,
    /// The title on the Korean page.
    #[arg(long, group = "changes", requires = "title_en", value_name = "TEXT")]
    pub(super) title_ko: Option<String>,
    /// The title on the English page.
    #[arg(long, group = "changes", requires = "title_ko", value_name = "TEXT")]
    pub(super) title_en: Option<String>,
    #[command(flatten)]
    pub(super) look: LookArgs,
    /// When applying becomes possible: 2026-11-29T20:00:00+09:00 or +10m. Fixed once the event is open.
    #[arg(long, group = "changes", value_name = "TIME", value_parser = time)]
    pub(super) opens_at: Option<Millis>,
    /// When applying ends: 2026-11-29T21:00:00+09:00 or +2h. Fixed once the event is closed.
    #[arg(long, group = "changes", value_name = "TIME", value_parser = time)]
    pub(super) closes_at: Option<Millis>,
    /// The most applications.
    #[arg(long, group = "changes", value_name = "N")]
    pub(super) applications_max: Option<u32>,
    /// Whether an open event accepts applications: off refuses them, on accepts them again.
    #[arg(long, group = "changes", value_name = "on|off", value_parser = on_off)]
    pub(super) intake: Option<bool>,
    /// With kind pass, the shop's page for called applicants, such as <https://shop.example.com/order/spring>.
    #[arg(long, group = "changes", value_name = "URL")]
    pub(super) pass_target: Option<String>,
    /// How long applicants have who are called from now on, such as 10m.
    #[arg(long, group = "changes", value_name = "TIME", value_parser = duration)]
    pub(super) called_for: Option<Millis>,
    /// By how much a called applicant may extend that time, once, such as 5m; 0s allows none.
    #[arg(long, group = "changes", value_name = "TIME", value_parser = duration)]
    pub(super) extension: Option<Millis>,
    /// Whether the event settles automatically: true or false.
    #[arg(long, group = "changes", value_name = "BOOL")]
    pub(super) settle_after_close: Option<bool>,
    /// A path of the shop that is diverted to the event's page; replaces all earlier paths. May be repeated.
    #[arg(long = "divert", group = "changes", value_name = "PATH")]
    pub(super) diverts: Option<Vec<String>>,
    /// Removes all diverted paths.
    #[arg(long, group = "changes", conflicts_with = "diverts")]
    pub(super) no_diverts: bool,
    /// The reason, for the audit.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// Changes the event only if it is still at this rev, as shown by `event get`.
    #[arg(long, value_name = "REV")]
    pub(super) if_rev: Option<i64>,
}

/// What the pages show besides title and announcement. An empty text removes it.
#[derive(Debug, Args)]
pub(super) struct LookArgs {
    /// What the event is about, on the Korean page: plain text of at most 8 lines.
    #[arg(long, group = "changes", requires = "description_en", value_name = "TEXT")]
    pub(super) description_ko: Option<String>,
    /// What the event is about, on the English page.
    #[arg(long, group = "changes", requires = "description_ko", value_name = "TEXT")]
    pub(super) description_en: Option<String>,
    /// The color of buttons and links, such as '#1d4ed8'. It is made darker or lighter where it could not be read.
    #[arg(long, group = "changes", value_name = "COLOR")]
    pub(super) color: Option<String>,
    /// The address of a picture on the event's page, such as <https://cdn.example.com/spring.jpg>; shown as a square.
    #[arg(long, group = "changes", value_name = "URL")]
    pub(super) picture_url: Option<String>,
    /// The name of the product on the Korean page.
    #[arg(long, group = "changes", requires = "product_name_en", value_name = "TEXT")]
    pub(super) product_name_ko: Option<String>,
    /// The name of the product on the English page.
    #[arg(long, group = "changes", requires = "product_name_ko", value_name = "TEXT")]
    pub(super) product_name_en: Option<String>,
    /// The price of the product in won, such as 19900; 0 shows none.
    #[arg(long, group = "changes", value_name = "WON")]
    pub(super) product_price: Option<u32>,
    /// The page of the product in the shop, such as <https://shop.example.com/products/4>.
    #[arg(long, group = "changes", value_name = "URL")]
    pub(super) product_url: Option<String>,
}

impl LookArgs {
    /// The arguments that were given, as fields of a body.
    pub(super) fn fields(self) -> impl Iterator<Item = (&'static str, Value)> {
        let both =
            |ko: Option<String>, en| ko.zip(en).map(|(ko, en): (_, String)| json!({ "ko": ko, "en": en }));
        let fields = [
            ("description", both(self.description_ko, self.description_en)),
            ("color", self.color.map(Into::into)),
            ("picture_url", self.picture_url.map(Into::into)),
            ("product_name", both(self.product_name_ko, self.product_name_en)),
            ("product_price", self.product_price.map(Into::into)),
            ("product_url", self.product_url.map(Into::into)),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

#[derive(Debug, Args)]
pub(super) struct CloneEvent {
    /// The event to copy.
    pub(super) from: EventId,
    /// The new event's id.
    pub(super) event: EventId,
    /// When applying becomes possible: 2026-11-29T20:00:00+09:00 or +10m.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) opens_at: Millis,
    /// When applying ends: 2026-11-29T21:00:00+09:00 or +2h.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) closes_at: Millis,
    /// The reason, for the audit.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct PermanentChangeArgs {
    /// The event's id.
    pub(super) event: EventId,
    /// The reason, for the audit.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
    /// Changes the event only if it is still at this rev.
    #[arg(long, value_name = "REV")]
    pub(super) if_rev: Option<i64>,
    /// Does not ask for confirmation.
    #[arg(long, short)]
    pub(super) yes: bool,
}

fn time(text: &str) -> Result<Millis, String> {
    let now = service::clock::system_now();
    service::config::parse_time(text, now)
        .ok_or_else(|| "write it as 2026-11-29T20:00:00+09:00, or +10m for ten minutes from now".to_owned())
}

fn duration(text: &str) -> Result<Millis, String> {
    service::config::parse_time(&format!("+{text}"), 0).ok_or_else(|| "write it as 10m, 90s or 0s".to_owned())
}

fn on_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off".into()),
    }
}
