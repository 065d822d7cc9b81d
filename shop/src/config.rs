//! The shop's settings: the capacity of each service. The defaults handle about 460 requests per second in total.

use std::path::PathBuf;

use service::config::Part;

use crate::capacity::Capacity;

/// Settings of the shop.
#[derive(Debug, Clone)]
pub struct Config {
    /// The database file.
    pub database: PathBuf,
    /// Pieces of each product in a new file.
    pub stock: u32,
    /// The maximum number of live orders of one event; further ones are rejected with 409.
    pub event_orders_max: u32,
    /// The maximum number of open connections; further clients wait to be accepted.
    pub connections_max: usize,
    /// Capacity of the main page.
    pub main: Capacity,
    /// Capacity of product pages.
    pub product: Capacity,
    /// Capacity of checkout and event order calls.
    pub order: Capacity,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database: PathBuf::from("data/shop.db"),
            stock: 1000,
            event_orders_max: 100_000,
            connections_max: 4096,
            main: Capacity { work_ms: 80, concurrency: 16, ..Capacity::default() },
            // A product page takes two units of work, stock and recommendations: 160 requests per second, not 320.
            product: Capacity { work_ms: 25, concurrency: 8, queue_max: 80, ..Capacity::default() },
            order: Capacity { work_ms: 60, concurrency: 6, queue_max: 60, ..Capacity::default() },
        }
    }
}

impl Config {
    /// Reads the settings and reports mistakes in this section.
    pub fn read(part: &mut Part<'_>) -> Self {
        let default = Self::default();
        let database = part.text("database", &default.database.to_string_lossy());
        if database.is_empty() {
            part.mistake("database", "names a file");
        }
        Self {
            database: database.into(),
            stock: count(part, "stock", default.stock),
            event_orders_max: count(part, "event_orders_max", default.event_orders_max),
            connections_max: usize::try_from(part.integer("connections_max", 1..=100_000, 4096))
                .unwrap_or(default.connections_max),
            main: default.main.read(&mut part.part("main")),
            product: default.product.read(&mut part.part("product")),
            order: default.order.read(&mut part.part("order")),
        }
    }
}

fn count(part: &mut Part<'_>, key: &str, default: u32) -> u32 {
    u32::try_from(part.integer(key, 0..=100_000_000, i64::from(default))).unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::Settings;

    fn read(flags: &[(&str, &str)]) -> (Config, Result<(), String>) {
        let flags: Vec<_> = flags.iter().map(|(key, text)| ((*key).into(), (*text).into())).collect();
        let mut settings = Settings::load(None, std::iter::empty(), &flags).unwrap();
        let config = Config::read(&mut settings.part("shop"));
        (config, settings.finish().map(|_| ()).map_err(|mistakes| mistakes.to_string()))
    }

    #[test]
    fn the_default_capacity_is_400_to_500_requests_per_second() {
        let (config, result) = read(&[]);
        assert_eq!(result, Ok(()));
        // A product page takes two units of work.
        let peak = config.main.peak() + config.product.peak() / 2.0 + config.order.peak();
        assert!((400.0..=500.0).contains(&peak), "{peak}");
    }

    #[test]
    fn each_service_has_its_own_capacity_and_all_mistakes_are_reported() {
        let (config, result) = read(&[("shop.main.work_ms", "40"), ("shop.order.concurrency", "3")]);
        assert_eq!((result, config.main.work_ms, config.order.concurrency), (Ok(()), 40, 3));
        assert_eq!(config.product, Config::default().product);
        let (_, result) =
            read(&[("shop.main.concurrency", "0"), ("shop.database", ""), ("shop.produkt.concurrency", "1")]);
        let mistakes = result.unwrap_err();
        for part in ["shop.main.concurrency", "shop.database", "shop.produkt.concurrency"] {
            assert!(mistakes.contains(part), "'{part}' is not in {mistakes}");
        }
    }
}
