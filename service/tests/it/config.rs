//! Settings from file, environment and flags, and the mistakes in them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use service::Settings;
use service::http::Limits;
use testkit::TempFolder;

/// A settings file in a private folder.
struct SettingsFile {
    path: PathBuf,
    _folder: TempFolder,
}

impl SettingsFile {
    fn new(text: &str) -> Self {
        let folder = TempFolder::new("settings");
        let path = folder.path().join("firstcome.toml");
        std::fs::write(&path, text).unwrap();
        Self { path, _folder: folder }
    }
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn from_flags<const N: usize>(flags: [(&str, &str); N]) -> Settings {
    Settings::load(None, std::iter::empty(), &pairs(flags)).unwrap()
}

#[test]
fn a_later_source_wins_and_every_origin_is_printed() {
    let file = SettingsFile::new("[signup]\nlisten = '127.0.0.1:1'\nworkers = 1\nname = 'file'\n");
    let env =
        pairs([("FIRSTCOME_SIGNUP__WORKERS", "2"), ("FIRSTCOME_SIGNUP__NAME", "env"), ("PATH", "/bin")]);
    let flags = pairs([("signup.name", "flag")]);
    let mut settings = Settings::load(Some(&file.path), env.into_iter(), &flags).unwrap();
    let mut part = settings.part("signup");
    assert_eq!(part.parse::<SocketAddr>("listen", "127.0.0.1:8080").port(), 1);
    assert_eq!(part.integer("workers", 1..=64, 4), 2);
    assert_eq!(part.text("name", "default"), "flag");
    assert_eq!(part.duration_ms("lease", 3000, 1000..=60_000), 3000);
    let printed = settings.finish().unwrap().to_string();
    let expected = format!(
        "[signup]\nlease = \"3s\" # default\nlisten = \"127.0.0.1:1\" # {}:2\nname = \"flag\" # flag signup.name\n\
         workers = 2 # FIRSTCOME_SIGNUP__WORKERS\n",
        file.path.display()
    );
    assert_eq!(printed, expected);
}

#[test]
fn all_mistakes_are_reported_together_with_their_origins() {
    let file = SettingsFile::new("[signup]\nlisten = 'nowhere'\nlissten = 'x'\nworkers = 65\n");
    let env = pairs([("FIRSTCOME_WORKER__LEASE", "soon"), ("FIRSTCOME_WORKER__FAST", "yes")]);
    let flags = pairs([("event.opens_at", "tomorrow")]);
    let mut settings = Settings::load(Some(&file.path), env.into_iter(), &flags).unwrap();

    let mut part = settings.part("signup");
    assert_eq!(part.parse::<SocketAddr>("listen", "127.0.0.1:8080").port(), 8080);
    assert_eq!(part.integer("workers", 1..=64, 4), 4);
    assert_eq!(part.required_text("key"), "");
    let mut part = settings.part("worker");
    assert_eq!(part.duration_ms("lease", 3000, 1000..=60_000), 3000);
    assert!(!part.flag("fast", false));
    let mut part = settings.part("event");
    assert_eq!(part.time("opens_at", 5), 5);
    assert_eq!(part.time("closes_at", 5), 5);
    part.mistake("opens_at", "is after closes_at");

    let path = file.path.display().to_string();
    let mistakes = settings.finish().unwrap_err();
    let expected = [
        format!("signup.listen: 'nowhere': invalid socket address syntax ({path}:2)"),
        format!("signup.workers: must be a whole number from 1 to 64 ({path}:4)"),
        "signup.key: is missing".to_owned(),
        "worker.lease: must be a duration from 1s to 1m, such as '3s' or '250ms' (FIRSTCOME_WORKER__LEASE)".to_owned(),
        "worker.fast: must be true or false (FIRSTCOME_WORKER__FAST)".to_owned(),
        "event.opens_at: must be a time such as 2026-05-01T10:00:00+09:00, or '+10s' from now (flag event.opens_at)"
            .to_owned(),
        "event.closes_at: is missing".to_owned(),
        "event.opens_at: is after closes_at (flag event.opens_at)".to_owned(),
        format!("unknown key signup.lissten, did you mean listen? ({path}:3)"),
    ];
    assert_eq!(mistakes.lines(), expected);
    assert_eq!(mistakes.to_string(), expected.join("\n"));
}

#[test]
fn secrets_are_read_and_never_printed() {
    let flags =
        [("queue.url", "redis://:hunter2@host"), ("queue.key_file", "/run/keys/k1"), ("queue.n", "x")];
    let mut settings = from_flags(flags);
    let mut part = settings.part("queue");
    assert_eq!(part.secret_text("url").as_deref(), Some("redis://:hunter2@host"));
    assert_eq!(part.secret_file("key_file"), Some(PathBuf::from("/run/keys/k1")));
    assert_eq!(part.secret_text("none"), None);
    part.mistake("url", "is not reachable");
    let printed = settings.print().to_string();
    let expected = "[queue]\nkey_file = \"(secret)\" # flag queue.key_file\n# none is not set\nurl = \"(secret)\" # flag queue.url\n";
    assert_eq!(printed, expected);
    let mistakes = settings.finish().unwrap_err().to_string();
    assert_eq!(mistakes, "queue.url: is not reachable (flag queue.url)\nunknown key queue.n (flag queue.n)");
}

#[test]
fn a_list_is_read_in_order_and_the_environment_can_set_elements() {
    let event = |n| format!("[[event]]\nid = 'e{n}'\n[event.title]\nko = 'k{n}'\n");
    let text: String = (0..11).map(event).collect();
    let file = SettingsFile::new(&text);
    let env = pairs([("FIRSTCOME_EVENT__10__ID", "last")]);
    let mut settings = Settings::load(Some(&file.path), env.into_iter(), &[]).unwrap();
    let events = settings.part("").list("event");
    let ids: Vec<String> = events
        .into_iter()
        .map(|mut event| {
            event.part("title").text("ko", "");
            event.text("id", "")
        })
        .collect();
    assert_eq!(ids[9..], ["e9", "last"]);
    let printed = settings.finish().unwrap().to_string();
    assert!(printed.starts_with("[[event]]\nid = \"e0\""), "{printed}");
    let path = file.path.display();
    let end = format!(
        "[[event]]\nid = \"last\" # FIRSTCOME_EVENT__10__ID\n\n[event.title]\nko = \"k10\" # {path}:44\n"
    );
    assert!(printed.ends_with(&end), "{printed}");
}

#[test]
fn printed_settings_can_be_read_again() {
    let text = "name = \"a \\\"b\\\" \\n c\"\npeers = ['x', 'y']\n[[event]]\nid = 'e0'\n[event.title]\nko = '봄'\n[[event]]\nid = 'e1'\n";
    let read = |settings: &mut Settings| {
        let mut root = settings.part("");
        let mut values = vec![root.text("name", ""), root.texts("peers").join("|")];
        for mut event in root.list("event") {
            values.push(event.text("id", ""));
            values.push(event.part("title").text("ko", "-"));
        }
        (values, settings.finish().unwrap().to_string())
    };
    let first = SettingsFile::new(text);
    let (values, printed) = read(&mut Settings::load(Some(&first.path), std::iter::empty(), &[]).unwrap());
    assert_eq!(values, ["a \"b\" \n c", "x|y", "e0", "봄", "e1", "-"]);
    let second = SettingsFile::new(&printed);
    let (again, _) = read(&mut Settings::load(Some(&second.path), std::iter::empty(), &[]).unwrap());
    assert_eq!(again, values);
}

#[test]
fn texts_are_an_array_or_one_text_with_commas() {
    let file = SettingsFile::new("peers = ['a', 'b']\n");
    let mut settings = Settings::load(Some(&file.path), std::iter::empty(), &[]).unwrap();
    assert_eq!(settings.part("").texts("peers"), ["a", "b"]);
    assert_eq!(settings.part("").texts("others"), [""; 0]);
    let path = file.path.display().to_string();
    let printed = settings.finish().unwrap().to_string();
    assert_eq!(printed, format!("others = [] # default\npeers = [\"a\", \"b\"] # {path}:1\n"));

    let env = pairs([("FIRSTCOME_PEERS", "c, d")]);
    let mut settings = Settings::load(Some(&file.path), env.into_iter(), &[]).unwrap();
    assert_eq!(settings.part("").texts("peers"), ["c", "d"]);
    settings.finish().unwrap();
}

#[test]
fn a_time_is_rfc_3339_or_relative_to_now() {
    let flags = [("a", "2026-05-01T10:00:00.25+09:00"), ("b", "+10s"), ("c", "2026-05-01")];
    let settings = from_flags(flags);
    let mut part = settings.part("");
    assert_eq!(part.time("a", 0), 1_777_597_200_250);
    assert_eq!(part.time("b", 500), 10_500);
    assert_eq!(part.time("c", 500), 500);
    assert_eq!(part.time_or("d", "+1m", 500), 60_500);
}

#[test]
fn the_limits_of_a_listener_can_be_set() {
    let flags = [("http.body_max", "100"), ("http.idle_timeout", "30s"), ("http.header_bytes_max", "1024")];
    let mut settings = from_flags(flags);
    let limits = Limits::default().read(&mut settings.part("http"));
    let boundless = Limits { body_max: u64::MAX, ..Limits::default() };
    assert!(boundless.read(&mut settings.part("gateway")).body_max > 1 << 50);
    let expected = Limits { body_max: 100, idle_timeout: Duration::from_secs(30), ..Limits::default() };
    assert_eq!(limits, expected);
    let mistakes = settings.finish().unwrap_err();
    assert!(mistakes.to_string().starts_with("http.header_bytes_max: must be a whole number from 8192 to"));
}

#[test]
fn skipped_settings_are_not_checked() {
    let mut settings = from_flags([("worker.lease", "3s"), ("workers", "2")]);
    settings.skip("worker");
    let mistakes = settings.finish().unwrap_err().to_string();
    assert_eq!(mistakes, "unknown key workers (flag workers)");
}

#[test]
fn a_missing_file_is_reported_with_its_path() {
    let mistakes = Settings::load(Some("/nowhere/f.toml".as_ref()), std::iter::empty(), &[]).unwrap_err();
    assert_eq!(
        mistakes.to_string(),
        "cannot read the settings: No such file or directory (os error 2) (/nowhere/f.toml)"
    );
}
