//! Reading the stock of products.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::catalog::{self, Product};
use crate::store::Store;

/// Products on the main page.
const POPULAR: i64 = 8;
/// Recommended products on a product's page.
const RECOMMENDED: i64 = 3;

/// A product with its stock.
#[derive(Debug)]
pub(crate) struct StockedProduct {
    /// The product.
    pub(crate) product: &'static Product,
    /// Pieces in stock.
    pub(crate) stock: i64,
}

impl Store {
    /// The products that sell best.
    pub(crate) async fn popular(&self) -> Result<Vec<StockedProduct>, sqlx::Error> {
        let rows = sqlx::query("SELECT id, stock FROM product ORDER BY sold DESC, id LIMIT $1").bind(POPULAR);
        Ok(rows.fetch_all(&self.read).await?.iter().filter_map(stocked_product).collect())
    }

    /// The products that sell best, without this one.
    pub(crate) async fn recommended(&self, except: i64) -> Result<Vec<StockedProduct>, sqlx::Error> {
        let rows =
            sqlx::query("SELECT id, stock FROM product WHERE id <> $1 ORDER BY sold DESC, id LIMIT $2")
                .bind(except)
                .bind(RECOMMENDED);
        Ok(rows.fetch_all(&self.read).await?.iter().filter_map(stocked_product).collect())
    }

    /// One product, if it exists.
    pub(crate) async fn product(&self, id: i64) -> Result<Option<StockedProduct>, sqlx::Error> {
        let row = sqlx::query("SELECT id, stock FROM product WHERE id = $1").bind(id);
        Ok(row.fetch_optional(&self.read).await?.as_ref().and_then(stocked_product))
    }
}

/// `None` for a row whose product is not in this program's catalog.
fn stocked_product(row: &SqliteRow) -> Option<StockedProduct> {
    let product = catalog::by_id(row.try_get("id").ok()?)?;
    Some(StockedProduct { product, stock: row.try_get("stock").ok()? })
}
