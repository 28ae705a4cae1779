// A shop of Medusa on PostgreSQL: events, locks and workflows in its own memory, nobody administers it.
const { defineConfig } = require('@medusajs/framework/utils');

module.exports = defineConfig({
  admin: { disable: true },
  projectConfig: {
    databaseUrl: process.env.DATABASE_URL,
    http: { storeCors: '', adminCors: '', authCors: '', jwtSecret: 'of a shop on loopback', cookieSecret: 'of a shop on loopback' },
  },
});
