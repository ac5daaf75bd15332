/** Where a table's SQL file has a twin in Spark's dialect: beside it, `sql/runs.spark.sql` for `sql/runs.sql`. */
export function ownSparkSql(path: string): string {
  return path.replace(/\.sql$/, '.spark.sql')
}
