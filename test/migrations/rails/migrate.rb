# ActiveRecord's migrator on the folder `migrate` beside this file, in the database of SUITE_URL; up to VERSION, where that is set.
require 'active_record'

ActiveRecord::Base.establish_connection(ENV.fetch('SUITE_URL'))
ActiveRecord::Migration.verbose = ENV['VERBOSE'] == '1'
ActiveRecord::MigrationContext
  .new(File.join(__dir__, 'migrate'), ActiveRecord::SchemaMigration)
  .migrate(ENV['VERSION']&.to_i)
