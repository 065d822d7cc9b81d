//! What the shop sells, and how much of it is left. The names stand here, the stock in the database.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::store::Store;

/// Products on the main page.
const POPULAR: i64 = 8;
/// Products beside a product.
const RECOMMENDED: i64 = 3;

/// A product as it is told.
#[derive(Debug)]
pub(crate) struct Product {
    /// Its number, in paths and in the database.
    pub(crate) id: i64,
    /// 한국어.
    pub(crate) ko: &'static str,
    /// English.
    pub(crate) en: &'static str,
    /// In won.
    pub(crate) price: u32,
}

/// Everything that the shop sells.
pub(crate) static PRODUCTS: [Product; 12] = [
    product(1, "도자기 머그", "Stoneware mug", 18_000),
    product(2, "리넨 앞치마", "Linen apron", 34_000),
    product(3, "황동 책갈피", "Brass bookmark", 9_500),
    product(4, "봄맞이 특가 세트", "Spring special set", 42_000),
    product(5, "울 담요", "Wool blanket", 79_000),
    product(6, "원목 도마", "Oak cutting board", 38_000),
    product(7, "드립 포트", "Pour-over kettle", 52_000),
    product(8, "유리 화병", "Glass vase", 27_000),
    product(9, "면 손수건", "Cotton handkerchief", 7_000),
    product(10, "가죽 필통", "Leather pencil case", 31_000),
    product(11, "무쇠 팬", "Cast-iron pan", 64_000),
    product(12, "벽시계", "Wall clock", 45_000),
];

const fn product(id: i64, ko: &'static str, en: &'static str, price: u32) -> Product {
    Product { id, ko, en, price }
}

/// A product with what is left of it.
#[derive(Debug)]
pub(crate) struct OnShelf {
    /// The product.
    pub(crate) product: &'static Product,
    /// Pieces that are left.
    pub(crate) stock: i64,
}

/// The product of that number.
pub(crate) fn by_id(id: i64) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.id == id)
}

impl Store {
    /// The products that sell best.
    pub(crate) async fn popular(&self) -> Result<Vec<OnShelf>, sqlx::Error> {
        let rows = sqlx::query("SELECT id, stock FROM product ORDER BY sold DESC, id LIMIT $1").bind(POPULAR);
        Ok(rows.fetch_all(&self.read).await?.iter().filter_map(on_shelf).collect())
    }

    /// What sells best beside a product.
    pub(crate) async fn recommended(&self, beside: i64) -> Result<Vec<OnShelf>, sqlx::Error> {
        let rows =
            sqlx::query("SELECT id, stock FROM product WHERE id <> $1 ORDER BY sold DESC, id LIMIT $2")
                .bind(beside)
                .bind(RECOMMENDED);
        Ok(rows.fetch_all(&self.read).await?.iter().filter_map(on_shelf).collect())
    }

    /// One product, if there is such a one.
    pub(crate) async fn product(&self, id: i64) -> Result<Option<OnShelf>, sqlx::Error> {
        let row = sqlx::query("SELECT id, stock FROM product WHERE id = $1").bind(id);
        Ok(row.fetch_optional(&self.read).await?.as_ref().and_then(on_shelf))
    }
}

/// A row of a product that this program has no name for is not shown.
fn on_shelf(row: &SqliteRow) -> Option<OnShelf> {
    Some(OnShelf { product: by_id(row.try_get("id").ok()?)?, stock: row.try_get("stock").ok()? })
}
