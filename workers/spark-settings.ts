import { join } from 'node:path'
import { z } from 'zod'
import { FirnError } from '../schemas/error.js'
import { parseTexts } from './parse-texts.js'

/** How Spark is started and how it reaches the tables. */
export interface SparkSettings {
  readonly master: string
  /** The program, and what comes before the options of `spark-submit`. */
  readonly command: readonly string[]
  readonly packages: readonly string[]
  readonly jars: readonly string[]
  readonly conf: Readonly<Record<string, string>>
  /** A catalog server that the cluster reaches; undefined: that of the lake, or one that the worker starts for it. */
  readonly catalogUri?: string
  readonly catalogToken?: string
}

const text = z.string().min(1).optional()
const list = z
  .string()
  .transform((value) => value.split(',').filter((one) => one !== ''))
  .default([])

/** Of the environment. */
export const SPARK = {
  FIRN_ENGINE: z.enum(['duckdb', 'spark']).optional(),
  FIRN_SPARK_MASTER: z.string().min(1).default('local[*]'),
  FIRN_SPARK_SUBMIT: z.string().min(1).default('spark-submit'),
  FIRN_SPARK_PACKAGES: list,
  FIRN_SPARK_JARS: list,
  FIRN_SPARK_CONF: text,
  FIRN_SPARK_CATALOG_URI: z.url({ protocol: /^https?$/ }).optional(),
  FIRN_SPARK_CATALOG_TOKEN: text,
}

/** What Iceberg's Spark needs, where neither packages nor jars are named. */
const PACKAGES = ['org.apache.iceberg:iceberg-spark-runtime-3.5_2.12:1.10.0']
const S3_PACKAGES = [
  'org.apache.iceberg:iceberg-aws-bundle:1.10.0',
  // Raw records are read by Spark itself.
  'org.apache.hadoop:hadoop-aws:3.3.4',
]

/** Throws `config`, without the values: some are secrets. */
export function sparkSettings(given: z.infer<z.ZodObject<typeof SPARK>>, warehouse: string): SparkSettings {
  const { FIRN_SPARK_PACKAGES: packages, FIRN_SPARK_JARS: jars, FIRN_SPARK_CATALOG_URI: uri } = given
  const token = given.FIRN_SPARK_CATALOG_TOKEN
  if (token !== undefined && uri === undefined) {
    throw new FirnError(
      'config',
      'FIRN_SPARK_CATALOG_TOKEN is for a catalog server, but FIRN_SPARK_CATALOG_URI names none: set or unset both.',
    )
  }
  const usual = warehouse.startsWith('s3') ? [...PACKAGES, ...S3_PACKAGES] : PACKAGES
  return {
    master: given.FIRN_SPARK_MASTER,
    command: given.FIRN_SPARK_SUBMIT.split(' ').filter((word) => word !== ''),
    packages: packages.length + jars.length === 0 ? usual : packages,
    jars,
    conf: parseTexts(
      'FIRN_SPARK_CONF',
      given.FIRN_SPARK_CONF,
      '{"spark.executor.instances": "4", "spark.executor.memory": "8g"}',
    ),
    ...(uri === undefined ? {} : { catalogUri: uri }),
    ...(token === undefined ? {} : { catalogToken: token }),
  }
}

/** Where job files lie while a session runs. */
export function sparkFolder(home: string): string {
  return join(home, 'tmp')
}
