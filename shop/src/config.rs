//! The shop's settings: how much each of its services bears. The defaults bear about 460 requests a second in all.

use std::path::PathBuf;

use service::config::Part;

use crate::saturation::Capacity;

/// What the shop is told when it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file of its own database.
    pub database: PathBuf,
    /// Pieces of each product, when the file is made.
    pub stock: u32,
    /// Most live orders of one event; above it the order service says no (409).
    pub event_orders_max: u32,
    /// Open connections; above it clients wait to be accepted.
    pub connections_max: usize,
    /// What the main page bears.
    pub main: Capacity,
    /// What product pages bear.
    pub product: Capacity,
    /// What checkout and the order calls of events bear.
    pub order: Capacity,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database: PathBuf::from("data/shop.db"),
            stock: 1000,
            event_orders_max: 100_000,
            connections_max: 4096,
            main: Capacity { work_ms: 80, at_once: 16, ..Capacity::default() },
            // A product page does its work twice, for the stock and for the recommendations: 160 a second, not 320.
            product: Capacity { work_ms: 25, at_once: 8, queue_max: 80, ..Capacity::default() },
            order: Capacity { work_ms: 60, at_once: 6, queue_max: 60, ..Capacity::default() },
        }
    }
}

impl Config {
    /// Reads the settings; mistakes are left with the part.
    pub fn read(part: &mut Part<'_>) -> Self {
        let usual = Self::default();
        let database = part.text("database", &usual.database.to_string_lossy());
        if database.is_empty() {
            part.mistake("database", "names a file");
        }
        Self {
            database: database.into(),
            stock: whole(part, "stock", usual.stock),
            event_orders_max: whole(part, "event_orders_max", usual.event_orders_max),
            connections_max: usize::try_from(part.integer("connections_max", 1..=100_000, 4096))
                .unwrap_or(usual.connections_max),
            main: usual.main.read(&mut part.part("main")),
            product: usual.product.read(&mut part.part("product")),
            order: usual.order.read(&mut part.part("order")),
        }
    }
}

fn whole(part: &mut Part<'_>, key: &str, default: u32) -> u32 {
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
    fn the_shop_bears_no_more_than_500_requests_a_second_unless_told() {
        let (config, told) = read(&[]);
        assert_eq!(told, Ok(()));
        // A product page works twice.
        let peak = config.main.peak() + config.product.peak() / 2.0 + config.order.peak();
        assert!((400.0..=500.0).contains(&peak), "{peak}");
    }

    #[test]
    fn each_service_has_its_own_capacity_and_mistakes_are_told_together() {
        let (config, told) = read(&[("shop.main.work_ms", "40"), ("shop.order.at_once", "3")]);
        assert_eq!((told, config.main.work_ms, config.order.at_once), (Ok(()), 40, 3));
        assert_eq!(config.product, Config::default().product);
        let (_, told) =
            read(&[("shop.main.at_once", "0"), ("shop.database", ""), ("shop.produkt.at_once", "1")]);
        let told = told.unwrap_err();
        for part in ["shop.main.at_once", "shop.database", "shop.produkt.at_once"] {
            assert!(told.contains(part), "'{part}' is not in {told}");
        }
    }
}
