# The worker as a container: everything is built in the first stage, the second holds what runs.
FROM node:22.20.0-bookworm AS build
WORKDIR /firn
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts && npm rebuild better-sqlite3
COPY . .
RUN node scripts/build.mjs && npm prune --omit=dev --ignore-scripts

FROM node:22.20.0-bookworm-slim
WORKDIR /firn
ENV NODE_ENV=production FIRN_HOME=/lake
COPY --from=build --chown=node:node /firn/node_modules node_modules
COPY --from=build --chown=node:node /firn/dist dist
COPY --from=build --chown=node:node /firn/bin bin
COPY --from=build --chown=node:node /firn/package.json package.json
RUN mkdir /lake && chown node:node /lake
USER node
CMD ["node", "dist/workers/worker-main.js"]
