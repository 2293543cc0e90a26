class CreateAccounts < ActiveRecord::Migration[6.1]
  def change
    enable_extension 'pgcrypto'
    create_table :accounts do |t|
      t.integer :node
      t.integer :times, null: false, default: 0
      t.string :name
      t.string :legacy, limit: 10
      t.timestamps default: -> { 'now()' }
    end
    create_table :owners, id: :uuid do |t|
      t.string :email, null: false, index: { unique: true }
      t.jsonb :settings, null: false, default: {}
    end
  end
end
