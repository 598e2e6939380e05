-- The database of one service on a server that has nothing yet, by a superuser; the service's migration does the rest.
--   psql -f database.sql -v name=crm_customer -v owner=crm_customer_owner -v password=... -v owner_password=...
CREATE ROLE :"owner" LOGIN PASSWORD :'owner_password';
CREATE ROLE :"name" LOGIN PASSWORD :'password';
-- Sorted by code point; the library's C.UTF-8 says what a letter is, and a Chinese one is one.
CREATE DATABASE :"name" OWNER :"owner"
  TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C.UTF-8';
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"name" TO :"name";
